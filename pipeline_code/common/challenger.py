"""How the parameter that names the challenger spells a model package.

SageMaker makes models of approved packages only, and what is approved is deployed. A challenger is
therefore run by what its package holds, and the parameter says all of that in one text.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["NOBODY", "PARTS", "SEPARATOR", "package_of", "spelled"]

# What the parameter says while there is no challenger, and of a threshold that a package lacks.
NOBODY = "none"
NO_THRESHOLD = "none"
SEPARATOR = "|"
PARTS = ("model_package", "image", "model_data_url", "review_threshold", "decline_threshold")


def spelled(package: Mapping[str, Any]) -> str:
    """A described package as the parameter spells it.

    Raises:
        ValueError: If the package holds a separator, or is made of several containers.
    """
    containers = package["InferenceSpecification"]["Containers"]
    if len(containers) != 1:
        raise ValueError(f"package must have one container, got {len(containers)}")
    (container,) = containers
    environment = container.get("Environment", {})
    parts = {
        "model_package": package["ModelPackageArn"],
        "image": container["Image"],
        "model_data_url": container["ModelDataUrl"],
        "review_threshold": environment.get("REVIEW_THRESHOLD", NO_THRESHOLD),
        "decline_threshold": environment.get("DECLINE_THRESHOLD", NO_THRESHOLD),
    }
    for name, value in parts.items():
        if SEPARATOR in value:
            raise ValueError(f"{name} must not contain {SEPARATOR}, got {value}")
    return SEPARATOR.join(parts[name] for name in PARTS)


def package_of(value: str) -> str:
    """ARN of the package that the parameter's value spells, or `none`."""
    return value.split(SEPARATOR, 1)[0]
