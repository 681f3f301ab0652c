"""Model packages: their variables, and how the parameters that the serving stack reads spell one.

One text holds all that a model of the package takes. A challenger is run by what its package holds,
since SageMaker makes models of approved packages only. The approved package is named, but its
variables reach the container for sure only where the stack gives them itself: whether SageMaker
merges a package's variables with a model's is not documented.
"""

from collections.abc import Mapping
from typing import Any

__all__ = [
    "DIGEST",
    "NO_MODEL",
    "PARTS",
    "SCHEMA_MARK",
    "SEPARATOR",
    "UNTOLD_VERSION",
    "VARIABLES",
    "package_of",
    "recorded_schema_version",
    "schema_version_of",
    "spelled",
    "variables_of",
]

# What a parameter says while there is no package.
NO_MODEL = "none"
SEPARATOR = "|"
# A package's variable with the digest of its model.
DIGEST = "MODEL_DIGEST"
# The package's variables, by the names of their parts in capitals; empty where it has none.
VARIABLES = ("review_threshold", "decline_threshold", DIGEST.lower())
PARTS = ("model_package", "image", "model_data_url", *VARIABLES)
# After the parts, and before the version of the features' schema that the model takes. Of this
# version nothing is said: texts are older than a second one, and go on meaning what they did.
SCHEMA_MARK = f"{SEPARATOR}feature_schema_version="
UNTOLD_VERSION = "v2"


def spelled(package: Mapping[str, Any]) -> str:
    """A described package as a parameter spells it.

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
        **{name: environment.get(name.upper(), "") for name in VARIABLES},
    }
    version = recorded_schema_version(package)
    for name, value in (*parts.items(), ("feature_schema_version", version)):
        if SEPARATOR in value:
            raise ValueError(f"{name} must not contain {SEPARATOR}, got {value}")
    told = "" if version == UNTOLD_VERSION else f"{SCHEMA_MARK}{version}"
    return SEPARATOR.join(parts[name] for name in PARTS) + told


def recorded_schema_version(package: Mapping[str, Any]) -> str:
    """The version of the features' schema that a described package's model takes."""
    recorded = package.get("CustomerMetadataProperties", {})
    return str(recorded.get("feature_schema_version", UNTOLD_VERSION))


def package_of(value: str) -> str:
    """ARN of the package that a parameter's value spells, or `none`."""
    return value.split(SEPARATOR, 1)[0]


def variables_of(value: str) -> dict[str, str]:
    """The variables that a parameter's value spells; none of an ARN alone."""
    parts = dict(zip(PARTS, value.split(SEPARATOR), strict=False))
    return {name.upper(): parts[name] for name in VARIABLES if parts.get(name)}


def schema_version_of(value: str) -> str:
    """The version of the features' schema that a spelled package's model takes."""
    return value.partition(SCHEMA_MARK)[2] or UNTOLD_VERSION
