"""The end of a version of the features' schema: what has to be given up for it, in which order."""

from collections.abc import Iterator
from typing import Any

from operations.environments import may_delete_data
from operations.errors import OperationError
from operations.models.decisions import record
from operations.models.package_uses import uses
from operations.models.schema_versions import group_names, packages_of, why_kept
from operations.target import Target
from pipeline_code.contracts.decisions import REJECTED
from pipeline_code.contracts.schema import SCHEMA_DIGESTS, SCHEMA_VERSIONS, version_number
from pipeline_code.features.declarations import Feature
from pipeline_code.features.definitions import DECLARED, features_of

__all__ = ["retire"]


def retire(target: Target, version: str) -> dict[str, Any]:
    """Give up a version: reject what is left of its packages, and say what to do next.

    Returns:
        The versions of the packages that were `rejected`, the `edits` of this code, and the
        `commands` that delete feature groups which the next deployment only lets go.

    Raises:
        OperationError: If this code has not the version, or it is what is trained, or a package of
            it runs or may come to run by a roll-back; nothing was changed then.
    """
    if version not in SCHEMA_VERSIONS:
        raise OperationError(
            f"version must be one of {', '.join(SCHEMA_VERSIONS)}, got {version}; this code has it "
            "no more"
        )
    reason = why_kept(version, uses(target))
    if reason:
        raise OperationError(
            f"schema version {version} must be needed by nothing to be retired, got: {reason}; "
            "promote, reject or stop what needs it (`fraudloop schema status`)"
        )
    left = packages_of(target).get(version, [])
    for package in left:
        why = f"schema version {version} is retired: its features are computed no more"
        record(target, package, REJECTED, why)
    return {
        "version": version,
        "rejected": sorted(each["ModelPackageVersion"] for each in left),
        "edits": list(_edits(version)),
        "commands": list(_deletions(target, version)),
    }


def _edits(version: str) -> Iterator[str]:
    """What to take out of this code."""
    line = f'"{version}": "{SCHEMA_DIGESTS[version]}"'
    yield f"pipeline_code/contracts/schema.py: remove {line} from SCHEMA_DIGESTS"
    remaining = [each for each in SCHEMA_VERSIONS if each != version]
    kept = {feature for each in remaining for feature in features_of(each)}
    for feature in DECLARED:
        if feature not in kept:
            yield f"pipeline_code/features/definitions.py: remove {_spelled(feature)}"
        elif needless := _needless(feature, remaining):
            yield (
                f"pipeline_code/features/definitions.py: remove {needless} from {_spelled(feature)}"
            )


def _needless(feature: Feature, remaining: list[str]) -> str:
    """What a feature need not say any more: that it is in all of the versions that remain."""
    oldest = min(map(version_number, remaining))
    if feature.since is not None and version_number(feature.since) <= oldest:
        return f'since="{feature.since}"'
    return ""


def _spelled(feature: Feature) -> str:
    ends = {"since": feature.since, "until": feature.until}
    told = "".join(f', {name}="{value}"' for name, value in ends.items() if value is not None)
    return f'Feature("{feature.name}", ...{told})'


def _deletions(target: Target, version: str) -> Iterator[str]:
    """Where data are kept, groups outlive their stack, and cost until somebody deletes them."""
    if not may_delete_data(target.environment):
        for name in group_names(target, version):
            yield f"aws sagemaker delete-feature-group --feature-group-name {name}"
