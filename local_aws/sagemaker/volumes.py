"""Keys of a request: those that cannot be used, and those of volumes that there are none of."""

import re
from typing import Any

from local_aws.keys import sagemaker as keys
from local_aws.keys.use import Refusal
from local_aws.sagemaker.errors import ServiceError, access_denied, validation

# Families with a d, such as c5d, g4dn and p4d, and the large accelerated ones.
_LOCAL_STORAGE = re.compile(r"ml\.(?:[a-z0-9-]*d|g[5-9]|p[5-9]|trn)[a-z0-9-]*\.")


def check_keys(request: dict[str, Any]) -> None:
    """Refuse keys that are absent or may not be used, and those for local disks.

    Raises:
        ServiceError: Saying which.
    """
    _check_disks(request)
    _raise(keys.refusal(request))


def check_volume(key: str | None, role_arn: str | None = None) -> None:
    """Refuse volumes under a key that neither the role nor the caller may grant to SageMaker.

    Raises:
        ServiceError: In KMS's words.
    """
    _raise(keys.volume_denied(key, role_arn))


def check_records(key: str | None) -> None:
    """Refuse records of an online store to a caller who may not use its key.

    Raises:
        ServiceError: In KMS's words.
    """
    _raise(None if key is None else keys.records_denied(key))


def _raise(why: Refusal | None) -> None:
    if why is None:
        return
    denied = why.code == "AccessDeniedException"
    error: ServiceError = (access_denied if denied else validation)(why.message)
    raise error


def _check_disks(request: Any, name: str = "") -> None:
    """Refuse a key for volumes that there are none of, anywhere in a request.

    AWS's words (ResourceConfig, ProcessingClusterConfig, TransformResources); its message is not
    published.

    Raises:
        ServiceError: Naming the type.
    """
    if isinstance(request, dict):
        kind = request.get("InstanceType")
        if request.get("VolumeKmsKeyId") and kind and _LOCAL_STORAGE.match(kind):
            raise validation(
                "You can't request a VolumeKmsKeyId when using an instance type with local "
                f"storage, got {kind} in {name or 'the request'}"
            )
        for key, value in request.items():
            _check_disks(value, key)
    elif isinstance(request, list):
        for value in request:
            _check_disks(value, name)
