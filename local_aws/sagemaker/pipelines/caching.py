"""Step caching: which earlier result a step may use again, by AWS's rules.

A result fits if the same step of the same pipeline succeeded with the same values of certain
attributes, within the time that the step's CacheConfig gives. AWS does not look at outputs, roles
or instance types, nor whether the outputs still exist; neither is done here.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from local_aws.sagemaker.errors import validation
from local_aws.sagemaker.events import now
from local_aws.sagemaker.store import Store

_KIND = "step-cache"
_ATTRIBUTES = {
    "Processing": ("AppSpecification", "Environment", "ProcessingInputs"),
    "Training": (
        "AlgorithmSpecification",
        "CheckpointConfig",
        "DebugHookConfig",
        "DebugRuleConfigurations",
        "Environment",
        "HyperParameters",
        "InputDataConfig",
    ),
    "Tuning": (
        "HyperParameterTuningJobConfig",
        "TrainingJobDefinition.AlgorithmSpecification",
        "TrainingJobDefinition.HyperParameterRanges",
        "TrainingJobDefinition.InputDataConfig",
        "TrainingJobDefinition.StaticHyperParameters",
        "TrainingJobDefinition.TuningObjective",
        "TrainingJobDefinitions",
    ),
    "Transform": ("DataProcessing", "Environment", "ModelName", "TransformInput"),
}
_DURATION = re.compile(
    r"P?(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?",
    re.IGNORECASE,
)
_UNITS = (365 * 86400, 30 * 86400, 7 * 86400, 86400, 3600, 60, 1)


def lifetime(config: Mapping[str, Any] | None, step: str) -> float | None:
    """For how many seconds a step's result may be used again; None if it may not.

    Raises:
        ServiceError: If the duration cannot be read.
    """
    if config is None or not config.get("Enabled", False):
        return None
    text = config.get("ExpireAfter")
    if text is None:
        return float("inf")
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        raise validation(
            f"ExpireAfter of step '{step}' must be an ISO 8601 duration such as P30D, got {text}"
        )
    parts = zip(found.groups(), _UNITS, strict=True)
    return float(sum(int(count) * unit for count, unit in parts if count is not None))


class StepCache:
    """The results of one pipeline's steps."""

    def __init__(self, store: Store, pipeline: str) -> None:
        self._store = store
        self._pipeline = pipeline

    def find(
        self, step: str, kind: str, arguments: Mapping[str, Any], seconds: float
    ) -> dict[str, Any] | None:
        """The latest result that fits and is not too old: `ExecutionArn`, `Metadata`, ..."""
        result = self._store.get(_KIND, self._name(step, kind, arguments))
        if result is None or now() - result["Time"] > seconds:
            return None
        return result

    def keep(
        self, step: str, kind: str, arguments: Mapping[str, Any], result: Mapping[str, Any]
    ) -> None:
        """Remember the result of a step that has succeeded."""
        if kind in _ATTRIBUTES:
            document = {**result, "Time": now()}
            self._store.put(_KIND, self._name(step, kind, arguments), document)

    def _name(self, step: str, kind: str, arguments: Mapping[str, Any]) -> str:
        seen = {name: _at(arguments, name) for name in _ATTRIBUTES.get(kind, ())}
        digest = hashlib.sha256(json.dumps([kind, seen], sort_keys=True).encode()).hexdigest()
        return f"{self._pipeline}/{step}/{digest}"


def _at(arguments: Any, path: str) -> Any:
    """The value of a path of members; None if there is none."""
    for name in path.split("."):
        arguments = (arguments or {}).get(name)
    return arguments
