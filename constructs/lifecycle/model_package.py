"""What the registry is told of a model: how good it is, what to watch it against, how to run it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lifecycle import sagemaker_sdk as sdk
from lifecycle.evaluation_step import EvaluationStep
from lifecycle.job_requests import IMAGE_URI
from pipeline_code.serve.contract import MEDIA_TYPES

__all__ = ["model_package_request"]

REAL_TIME_INSTANCE_TYPES: Final = ["ml.c5.large", "ml.c5.xlarge", "ml.m5.large", "ml.m5.xlarge"]
TRANSFORM_INSTANCE_TYPES: Final = ["ml.m5.large", "ml.m5.xlarge"]


def model_package_request(
    *,
    model_data_uri: Any,
    evaluation: EvaluationStep,
    baseline_uri: Any,
    approval_status: Any,
    revision: Any,
    origin: Mapping[str, Any],
) -> dict[str, Any]:
    """A model package of the group `${ModelPackageGroup}`.

    Args:
        model_data_uri: The model's archive.
        evaluation: The step that judged it.
        baseline_uri: Folder of `statistics.json` and `constraints.json`.
        approval_status: Whether a person has to approve it.
        revision: Of the code that made it.
        origin: Which data and schema it comes from, and why it was trained.
    """
    data_quality = {
        "Statistics": _json_file(baseline_uri, "statistics.json"),
        "Constraints": _json_file(baseline_uri, "constraints.json"),
    }
    return {
        "ModelPackageGroupName": "${ModelPackageGroup}",
        "ModelApprovalStatus": approval_status,
        "ModelMetrics": {
            "ModelQuality": {"Statistics": _json_file(evaluation.output_uri, "evaluation.json")},
            "ModelDataQuality": data_quality,
        },
        "DriftCheckBaselines": {"ModelDataQuality": data_quality},
        # Nobody has read the card by now: what it says is the evaluation's.
        "ModelCard": {"ModelCardContent": evaluation.card, "ModelCardStatus": "PendingReview"},
        "MetadataProperties": {
            "CommitId": revision,
            "GeneratedBy": sdk.ExecutionVariables.PIPELINE_EXECUTION_ARN,
        },
        "CustomerMetadataProperties": {
            **origin,
            **evaluation.package,
            "evaluation_report": sdk.Join(on="/", values=[evaluation.output_uri, "report.html"]),
            "decision_000": _first_decision(approval_status),
        },
        "InferenceSpecification": {
            "Containers": [
                {
                    "Image": IMAGE_URI,
                    "ModelDataUrl": model_data_uri,
                    # With the package: a version decides by the thresholds it was approved with.
                    "Environment": evaluation.thresholds,
                }
            ],
            "SupportedContentTypes": list(MEDIA_TYPES),
            "SupportedResponseMIMETypes": list(MEDIA_TYPES),
            "SupportedRealtimeInferenceInstanceTypes": REAL_TIME_INSTANCE_TYPES,
            "SupportedTransformInstanceTypes": TRANSFORM_INSTANCE_TYPES,
        },
    }


def _first_decision(approval_status: Any) -> Any:
    """That no person, but the gate of an execution, gave the status; people's decisions follow."""
    variables = sdk.ExecutionVariables
    return sdk.Join(
        on="",
        values=[
            variables.START_DATETIME,
            " ",
            approval_status,
            " by ",
            variables.PIPELINE_EXECUTION_ARN,
            ": passed the gate",
        ],
    )


def _json_file(folder_uri: Any, name: str) -> dict[str, Any]:
    return {
        "ContentType": "application/json",
        "S3Uri": sdk.Join(on="/", values=[folder_uri, name]),
    }
