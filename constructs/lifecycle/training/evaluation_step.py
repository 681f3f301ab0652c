"""The step that judges a model: its request, and what later steps read of its verdict.

It is never cached: it compares with the champion, and which model that is does not show in its
arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lifecycle.jobs.job_requests import Compute, processing_request
from lifecycle.jobs.pipeline_parts import PropertyFile, RequestStep, condition
from lifecycle.training.model_gate import GateConfig
from pipeline_code.contracts.packages import VARIABLES

__all__ = ["EvaluationStep"]

STEP: Final = "EvaluateModel"
# The section `package` of evaluation.json: what the registry keeps with the model package.
PACKAGE: Final = (
    "train_first_event",
    "train_last_event",
    "train_rows",
    "train_frauds",
    "test_start",
    "test_end",
    "test_rows",
    "test_frauds",
    "average_precision",
    "auc_roc",
    "card_precision_at_100",
    "review_threshold",
    "decline_threshold",
    "feature_schema_version",
    "capture_contract",
    "model_digest",
    "model_sha256",
    "gate_reason",
    "trigger_reason",
    "trigger_evidence",
)


class EvaluationStep:
    """The evaluation of one model by the limits of one gate.

    Args:
        gate: The limits.
        floor: The least average precision, which a start of the pipeline may set.
        compute: What it runs on.
        inputs: The model, its test rows, and what is known of both.
        trigger: Why the model was trained, and on what evidence, as variables: it may have been
            typed by anybody, and the registry does not take all that can be typed.
        output_uri: Where the verdict, the report and the model card land.
    """

    def __init__(
        self,
        gate: GateConfig,
        *,
        floor: Any,
        compute: Compute,
        inputs: Sequence[dict[str, Any]],
        trigger: Mapping[str, Any],
        output_uri: Any,
    ) -> None:
        self._gate = gate
        self._floor = floor
        self._report = PropertyFile("EvaluationReport", "evaluation", "evaluation.json")
        self._card = PropertyFile("ModelCard", "evaluation", "model_card.json")
        request = processing_request(
            "evaluate",
            role="${EvaluationRoleArn}",
            compute=compute,
            inputs=inputs,
            outputs={"evaluation": output_uri},
            arguments=self._arguments(),
            environment={"MODEL_PACKAGE_GROUP": "${ModelPackageGroup}", **trigger},
            calls_aws=True,
        )
        self.step = RequestStep(
            STEP, "Processing", request, property_files=[self._report, self._card]
        )

    @property
    def output_uri(self) -> Any:
        """Folder of evaluation.json and the rest, and of a folder for each kind of monitor but data
        quality's, with its baseline."""
        return self.step.output_uri("evaluation")

    @property
    def reason(self) -> Any:
        """Every limit that was missed, and by how much."""
        return self._reported("gate.reason")

    @property
    def package(self) -> dict[str, Any]:
        """What the registry keeps with the model package."""
        return {name: self._reported(f"package.{name}") for name in PACKAGE}

    @property
    def variables(self) -> dict[str, Any]:
        """What the server decides by, and the digest of what it loads, as its variables."""
        return {name.upper(): self._reported(f"package.{name}") for name in VARIABLES}

    @property
    def card(self) -> Any:
        """The content of the model card."""
        return self.step.read(self._card, "content")

    def conditions(self) -> list[Any]:
        """One for each check, all of which a model has to meet."""
        gate = self._gate
        at_least = {
            "floor": self._floor,
            # A condition cannot negate a parameter, so the tolerance is fixed at deployment.
            "champion": -gate.champion_tolerance,
        }
        at_most = {
            "bias": gate.bias_limit,
            "calibration": gate.calibration_limit,
            "latency": gate.latency_limit_milliseconds,
            "size": gate.size_limit_mib,
        }
        return [
            *(
                condition(self._checked(name), "GreaterThanOrEqualTo", limit)
                for name, limit in at_least.items()
            ),
            *(
                condition(self._checked(name), "LessThanOrEqualTo", limit)
                for name, limit in at_most.items()
            ),
        ]

    def _arguments(self) -> list[Any]:
        gate = self._gate
        given = {
            "average-precision-floor": self._floor.to_string(),
            "champion-tolerance": str(gate.champion_tolerance),
            "bias-limit": str(gate.bias_limit),
            "calibration-limit": str(gate.calibration_limit),
            "latency-limit-milliseconds": str(gate.latency_limit_milliseconds),
            "size-limit-mib": str(gate.size_limit_mib),
            "reviews-per-day": str(gate.reviews_per_day),
            "decline-precision": str(gate.decline_precision),
        }
        return [word for name, value in given.items() for word in (f"--{name}", value)]

    def _checked(self, name: str) -> Any:
        return self._reported(f"gate.checks.{name}.value")

    def _reported(self, path: str) -> Any:
        # AWS's page shows it in conditions only; the SDK hands any step's arguments what a `@step`
        # function returned in this very form (sagemaker.mlops, DelayedReturn).
        return self.step.read(self._report, path)
