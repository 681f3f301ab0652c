"""The model package's request: the model's metrics, its baselines, and how it runs."""

from __future__ import annotations

from typing import Any

from lifecycle.jobs.job_requests import IMAGE_URI
from lifecycle.jobs.pipeline_parts import EXECUTION_ARN, START_TIME, join
from lifecycle.training.evaluation_step import EvaluationStep
from pipeline_code.contracts.decisions import decision_key
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.contracts.serving import JSON, MEDIA_TYPES

__all__ = ["model_package_request"]


def model_package_request(
    *,
    model_data_uri: Any,
    evaluation: EvaluationStep,
    baseline_uri: Any,
    approval_status: Any,
    revision: Any,
    data_version: Any,
) -> dict[str, Any]:
    """A model package of the group `${ModelPackageGroup}`.

    Args:
        model_data_uri: The model's archive.
        evaluation: The step that judged it.
        baseline_uri: Folder of `statistics.json` and `constraints.json` of the training rows.
        approval_status: Whether an operator has to approve it.
        revision: Of the code that made it.
        data_version: Of the raw data that it comes from.
    """
    baselines = _Baselines(baseline_uri, evaluation)
    return {
        "ModelPackageGroupName": "${ModelPackageGroup}",
        "ModelApprovalStatus": approval_status,
        "ModelMetrics": baselines.metrics(_json_file(evaluation.output_uri, "evaluation.json")),
        "DriftCheckBaselines": baselines.registered(),
        # Nobody has read the card by now: what it says is the evaluation's.
        "ModelCard": {"ModelCardContent": evaluation.card, "ModelCardStatus": "PendingReview"},
        "MetadataProperties": {
            "CommitId": revision,
            "GeneratedBy": EXECUTION_ARN,
        },
        "CustomerMetadataProperties": {
            "data_version": data_version,
            **evaluation.package,
            "evaluation_report": join("/", evaluation.output_uri, "report.html"),
            decision_key(0): _first_decision(approval_status),
        },
        "InferenceSpecification": {
            "Containers": [
                {
                    "Image": IMAGE_URI,
                    "ModelDataUrl": model_data_uri,
                    # With the package: a version is the files that were judged, and decides by
                    # the thresholds that it was approved with.
                    "Environment": evaluation.variables,
                }
            ],
            "SupportedContentTypes": list(MEDIA_TYPES),
            "SupportedResponseMIMETypes": list(MEDIA_TYPES),
            # Lists of instance types, "optional for versioned models" (API reference), would keep
            # a version off the types that an environment is configured with later.
        },
    }


class _Baselines:
    """What the monitors compare with, by the registry's names.

    The registry has no place for the statistics of bias and attributions among the baselines: they
    lie beside their constraints.
    """

    def __init__(self, data_quality_uri: Any, evaluation: EvaluationStep) -> None:
        self._data_quality_uri = data_quality_uri
        self._evaluation_uri = evaluation.output_uri

    def registered(self) -> dict[str, Any]:
        """What a version is watched against."""
        return {
            "ModelDataQuality": self._both(MonitorKind.DATA_QUALITY),
            "ModelQuality": self._both(MonitorKind.MODEL_QUALITY),
            "Bias": {"PostTrainingConstraints": self._constraints(MonitorKind.BIAS)},
            "Explainability": {"Constraints": self._constraints(MonitorKind.ATTRIBUTION)},
        }

    def metrics(self, evaluation: Any) -> dict[str, Any]:
        """How the version does, for people; of its quality the whole evaluation is shown."""
        return {
            "ModelQuality": {
                "Statistics": evaluation,
                "Constraints": self._constraints(MonitorKind.MODEL_QUALITY),
            },
            "ModelDataQuality": self._both(MonitorKind.DATA_QUALITY),
            "Bias": {"Report": self._statistics(MonitorKind.BIAS)},
            "Explainability": {"Report": self._statistics(MonitorKind.ATTRIBUTION)},
        }

    def _both(self, kind: MonitorKind) -> dict[str, Any]:
        return {"Statistics": self._statistics(kind), "Constraints": self._constraints(kind)}

    def _statistics(self, kind: MonitorKind) -> dict[str, Any]:
        return self._file(kind, "statistics.json")

    def _constraints(self, kind: MonitorKind) -> dict[str, Any]:
        return self._file(kind, "constraints.json")

    def _file(self, kind: MonitorKind, name: str) -> dict[str, Any]:
        if kind is MonitorKind.DATA_QUALITY:
            return _json_file(self._data_quality_uri, name)
        return _json_file(self._evaluation_uri, kind.value, name)


def _first_decision(approval_status: Any) -> Any:
    """That the gate of an execution gave the status; operators' decisions follow."""
    return join("", START_TIME, " ", approval_status, " by ", EXECUTION_ARN, ": passed the gate")


def _json_file(folder_uri: Any, *path: str) -> dict[str, Any]:
    return {
        "ContentType": JSON,
        "S3Uri": join("/", folder_uri, *path),
    }
