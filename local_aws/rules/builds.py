"""CodeBuild: how many builds an account may have at a time."""

from collections.abc import Mapping
from typing import Any

from local_aws.adapter import builds
from local_aws.adapter.operations import Refusal
from local_aws.quotas import limits

_SYSTEMS = {"ARM_CONTAINER": "ARM", "LINUX_CONTAINER": "Linux"}
_SIZES = {
    f"BUILD_GENERAL1_{size.upper()}": size for size in ("Small", "Medium", "Large", "XLarge")
} | {"BUILD_GENERAL1_2XLARGE": "2XLarge"}


def _start(given: Mapping[str, Any]) -> Refusal | None:
    """By the quota of the project's environment, and by the account's bar.

    The words are those that learn-terraform-aws-control-tower-aft #7 and others were told, with a
    quota of 0 and of 1. A build ends here at once, so none is ever queued behind another.
    """
    project = builds.environment(str(given["projectName"]))
    if project is None:
        return None
    system = _SYSTEMS.get(given.get("environmentTypeOverride") or project["type"], "")
    size = _SIZES.get(given.get("computeTypeOverride") or project["computeType"], "")
    names = (
        f"Concurrently running builds for {system}/{size} environment",
        "Builds in queue for the account",
    )
    known = [most for name in names if (most := limits.limit("codebuild", name)) is not None]
    if not known or builds.in_progress() < min(known):
        return None
    words = f"Cannot have more than {min(known):.0f} builds in queue for the account"
    return Refusal("AccountLimitExceededException", words, 400)


RULES = {"StartBuild": _start}
