"""How the parameters that the stack reads spell a model package.

As `pipeline_code.common.spelling`, which `fraudloop shadow start` uses: the stack gives a model's
container what is spelled, and makes a challenger's model of it.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["DIGEST", "package_of", "spelled"]

SEPARATOR = "|"
DIGEST = "MODEL_DIGEST"
VARIABLES = ("REVIEW_THRESHOLD", "DECLINE_THRESHOLD", DIGEST)


def package_of(value: str) -> str:
    """ARN of the package that a parameter's value spells, or `none`."""
    return value.partition(SEPARATOR)[0]


def spelled(package: Mapping[str, Any]) -> str:
    """A described package as a parameter has to spell it."""
    (container, *_) = package["InferenceSpecification"]["Containers"]
    environment = container.get("Environment", {})
    return SEPARATOR.join(
        [
            package["ModelPackageArn"],
            container["Image"],
            container["ModelDataUrl"],
            *(environment.get(name, "") for name in VARIABLES),
        ]
    )
