"""The training pipeline's steps, and the definition document made of them.

check -> features -> train -> evaluate -> gate -> register, or fail with the gate's reason; the
monitoring baseline is computed from the training rows meanwhile.

A cached step must not outlive what it was computed from. `DataVersion`, the fingerprint of the raw
data, is therefore an argument of the steps that read raw data (the later ones read their outputs),
and the image's tag is a hash of its code.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from lifecycle.jobs.instance_types import has_local_disk
from lifecycle.jobs.job_requests import Compute, processing_request, s3_input
from lifecycle.jobs.pipeline_parts import (
    EXECUTION_ID,
    RequestStep,
    condition_step,
    definition_text,
    fail_step,
    join,
)
from lifecycle.training.evaluation_step import EvaluationStep
from lifecycle.training.model_package import model_package_request
from lifecycle.training.model_step import model_step
from lifecycle.training.parameters import training_parameters
from pipeline_code.contracts.metrics import FEATURE_JOB
from pipeline_code.contracts.pipelines import PipelineParameter
from pipeline_code.features.definitions import LABEL_DELAY

if TYPE_CHECKING:
    from lifecycle.training.config import TrainingConfig

__all__ = ["PLACEHOLDERS", "training_definition"]

PLACEHOLDERS: Final = (
    "ArtifactsBucket",
    "BaselineRoleArn",
    "CheckRoleArn",
    "FeatureGroupPattern",
    "EvaluationRoleArn",
    "FeatureJobImageUri",
    "FeaturesBucket",
    "FeaturesRoleArn",
    "ImageTag",
    "ImageUri",
    "KeyArn",
    "MetricNamespace",
    "ModelPackageGroup",
    "RawBucket",
    "StoreReads",
    "TrainingImageUri",
    "TrainingRoleArn",
)


def training_definition(config: TrainingConfig, *, revision: str) -> str:
    """The definition document, with `${...}` for each of `PLACEHOLDERS`.

    Args:
        config: Windows, gate and compute.
        revision: Of the code, for the models that it registers.
    """
    steps = _TrainingSteps(config, training_parameters(config, revision=revision))
    return definition_text(steps.parameters, steps.all())


class _TrainingSteps:
    """Builds each step once, in the order in which they refer to each other."""

    def __init__(self, config: TrainingConfig, parameters: dict[str, Any]) -> None:
        self._config = config
        self._parameters = parameters
        self._check = self._check_data()
        self._features = self._compute_features()
        self._model = model_step(
            config,
            compute=self._compute("TrainingInstanceType"),
            features=self._features,
        )
        self._baseline = self._compute_baseline()
        self._evaluation = self._evaluate_model()

    @property
    def parameters(self) -> list[Any]:
        """What a start of the pipeline may set."""
        return list(self._parameters.values())

    def all(self) -> list[Any]:
        """Every step that is not inside the gate, and the gate."""
        return [
            self._check,
            self._features,
            self._model.step,
            self._baseline,
            self._evaluation.step,
            self._gate(),
        ]

    def _compute(self, instance_parameter: str) -> Compute:
        return Compute(
            instance_type=self._parameters[instance_parameter],
            volume_size_gib=self._config.jobs.volume_size_gib,
            max_runtime_minutes=self._config.jobs.max_runtime_minutes,
            local_disk=has_local_disk(self._parameters[instance_parameter].default_value),
        )

    def _feature_compute(self) -> Compute:
        features = self._config.jobs.features
        compute = self._compute("ProcessingInstanceType")
        if features.instance_type is not None:
            compute = replace(compute, instance_type=features.instance_type)
        return replace(compute, instance_count=features.instance_count)

    def _processing(self, name: str, request: dict[str, Any], **options: Any) -> RequestStep:
        return RequestStep(name, "Processing", request, **options)

    def _raw(self, *tables: str) -> list[dict[str, Any]]:
        root = self._parameters["RawDataUri"]
        return [_processing_input(table, join("/", root, table, "")) for table in tables]

    def _check_data(self) -> RequestStep:
        request = processing_request(
            "check",
            role="${CheckRoleArn}",
            compute=self._compute("ProcessingInstanceType"),
            inputs=self._raw("transactions", "fraud_reports"),
            outputs={"report": _execution_uri("${FeaturesBucket}", "check")},
            environment={"DATA_VERSION": self._parameters[PipelineParameter.DATA_VERSION]},
        )
        return self._processing("CheckData", request, cache_days=self._config.jobs.cache_days)

    def _compute_features(self) -> RequestStep:
        values = self._parameters
        request = processing_request(
            "features",
            role="${FeaturesRoleArn}",
            image="${FeatureJobImageUri}",
            compute=self._feature_compute(),
            inputs=self._raw("transactions", "fraud_reports"),
            outputs={
                name: _execution_uri("${FeaturesBucket}", "features", name)
                for name in ("train", "test", "summary")
            },
            arguments=[
                "--engine",
                self._config.jobs.features.engine,
                "--train-days",
                values["TrainDays"].to_string(),
                "--delay-days",
                str(LABEL_DELAY.days),
                "--test-days",
                values["TestDays"].to_string(),
                "--as-of",
                values["AsOf"],
                "--data-version",
                values[PipelineParameter.DATA_VERSION],
                "--raw-uri",
                values["RawDataUri"],
            ],
            environment={
                "FEATURE_GROUP_PATTERN": "${FeatureGroupPattern}",
                "STORE_READS_A_SECOND": "${StoreReads}",
                "POWERTOOLS_METRICS_NAMESPACE": "${MetricNamespace}",
                "POWERTOOLS_SERVICE_NAME": FEATURE_JOB,
            },
            calls_aws=True,
        )
        return self._processing(
            "ComputeFeatures",
            request,
            depends_on=[self._check],
            cache_days=self._config.jobs.cache_days,
        )

    def _compute_baseline(self) -> RequestStep:
        request = processing_request(
            "monitor",
            role="${BaselineRoleArn}",
            compute=self._compute("ProcessingInstanceType"),
            inputs=[_processing_input("train", self._features.output_uri("train"))],
            outputs={"baseline": _execution_uri("${ArtifactsBucket}", "baseline")},
            arguments=["--baseline"],
        )
        return self._processing("Baseline", request, cache_days=self._config.jobs.cache_days)

    def _evaluate_model(self) -> EvaluationStep:
        return EvaluationStep(
            self._config.gate,
            floor=self._parameters["AveragePrecisionFloor"],
            compute=self._compute("ProcessingInstanceType"),
            inputs=[
                _processing_input("model", self._model.data_uri),
                _processing_input("train-summary", self._features.output_uri("summary")),
                _processing_input("test", self._features.output_uri("test")),
                *self._raw("fraud_reports"),
            ],
            trigger={
                "TRIGGER_REASON": self._parameters[PipelineParameter.TRIGGER_REASON],
                "TRIGGER_EVIDENCE": self._parameters[PipelineParameter.TRIGGER_EVIDENCE],
            },
            output_uri=_execution_uri("${ArtifactsBucket}", "evaluation"),
        )

    def _gate(self) -> Any:
        refused = fail_step("RefuseModel", error_message=self._evaluation.reason)
        return condition_step(
            "Gate",
            conditions=self._evaluation.conditions(),
            if_steps=[self._register_model()],
            else_steps=[refused],
        )

    def _register_model(self) -> RequestStep:
        values = self._parameters
        request = model_package_request(
            model_data_uri=self._model.data_uri,
            evaluation=self._evaluation,
            baseline_uri=self._baseline.output_uri("baseline"),
            approval_status=values["ApprovalStatus"],
            revision=values["CodeRevision"],
            data_version=values[PipelineParameter.DATA_VERSION],
        )
        return RequestStep("RegisterModel", "RegisterModel", request)


def _processing_input(name: str, uri: Any) -> dict[str, Any]:
    return s3_input(name, uri, f"/opt/ml/processing/input/{name}")


def _execution_uri(bucket: str, *parts: str) -> Any:
    """Where an execution leaves a step's output: executions never overwrite each other."""
    return join("/", f"s3://{bucket}/executions", EXECUTION_ID, *parts)
