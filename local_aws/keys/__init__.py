"""Customer-managed keys: who may use them, in KMS's own API and through every service."""

from local_aws.adapter.keys import keys as kept
from local_aws.keys import creations, objects, operations, requests, services
from local_aws.keys.services import install_late
from local_aws.keys.use import Refusal, absent, unusable, use_denied

__all__ = ["Refusal", "absent", "install", "install_late", "unusable", "use_denied"]


def install() -> None:
    """Have every use of a key authorized as on AWS."""
    kept.let_grants_allow()
    kept.describe_as_documented()
    requests.install()
    operations.install()
    objects.install()
    services.install()
    creations.install()
