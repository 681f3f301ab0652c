"""How the challenger's parameter spells a model package.

As `pipeline_code.common.challenger`, which `fraudloop shadow start` uses: the stack makes the
challenger's model of these parts, since SageMaker makes none of a package that is not approved.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["package_of", "spelled"]

SEPARATOR = "|"
NO_THRESHOLD = "none"


def package_of(value: str) -> str:
    """ARN of the package that the parameter's value spells, or `none`."""
    return value.partition(SEPARATOR)[0]


def spelled(package: Mapping[str, Any]) -> str:
    """A described package as the parameter has to spell it."""
    (container, *_) = package["InferenceSpecification"]["Containers"]
    environment = container.get("Environment", {})
    return SEPARATOR.join(
        [
            package["ModelPackageArn"],
            container["Image"],
            container["ModelDataUrl"],
            environment.get("REVIEW_THRESHOLD", NO_THRESHOLD),
            environment.get("DECLINE_THRESHOLD", NO_THRESHOLD),
        ]
    )
