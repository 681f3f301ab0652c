"""The contract between a model package and the environment that is to serve it."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline_code.contracts.packages import DIGEST, spelled
from pipeline_code.contracts.schema import version_number

from deploy_model.settings import DeploymentSettings

__all__ = ["misfit"]


def misfit(package: Mapping[str, Any], settings: DeploymentSettings) -> str | None:
    """Why a described package does not fit; None if it does."""
    try:
        spelled(package)
    except ValueError as error:
        return str(error)
    (container,) = package["InferenceSpecification"]["Containers"]
    if DIGEST not in container.get("Environment", {}):
        return (
            f"{DIGEST} must be among its variables, got none; it was registered before a package "
            "said what files its model is, so that its server would not start: train again"
        )
    image = container["Image"]
    if _repository(image) != settings.image_repository:
        return (
            f"image must be of {settings.image_repository}, got {image}; "
            "train again in this environment"
        )
    recorded = package.get("CustomerMetadataProperties", {})
    alive = sorted(settings.feature_schema_versions, key=version_number)
    return _unlike(
        recorded, "feature_schema_version", alive, "train again, or deploy code that still has it"
    ) or _unlike(recorded, "capture_contract", [settings.capture_contract], "train again")


def _unlike(
    recorded: Mapping[str, str], name: str, allowed: Sequence[str], advice: str
) -> str | None:
    expected = " or ".join(allowed)
    if name not in recorded:
        return (
            f"{name} must be {expected}, got a package that does not say; it was registered "
            "before packages said so: train again"
        )
    if recorded[name] not in allowed:
        return f"{name} must be {expected}, got {recorded[name]}; {advice}"
    return None


def _repository(image: str) -> str:
    """An image's URI without its tag or digest. A registry's port would be before a slash."""
    name = image.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(":")[0]
