"""What the registry is told of a model: how good it is, what to watch it against, how to run it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lifecycle import sagemaker_sdk as sdk
from lifecycle.job_requests import IMAGE_URI

__all__ = ["model_package_request"]

CONTENT_TYPES: Final = ["application/json", "text/csv"]
REAL_TIME_INSTANCE_TYPES: Final = ["ml.c5.large", "ml.c5.xlarge", "ml.m5.large", "ml.m5.xlarge"]
TRANSFORM_INSTANCE_TYPES: Final = ["ml.m5.large", "ml.m5.xlarge"]


def model_package_request(
    *,
    model_data_uri: Any,
    evaluation_uri: Any,
    baseline_uri: Any,
    approval_status: Any,
    origin: Mapping[str, Any],
) -> dict[str, Any]:
    """A model package of the group `${ModelPackageGroup}`.

    Args:
        model_data_uri: The model's archive.
        evaluation_uri: Folder of `evaluation.json`.
        baseline_uri: Folder of `statistics.json` and `constraints.json`.
        approval_status: Whether a person has to approve it.
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
            "ModelQuality": {"Statistics": _json_file(evaluation_uri, "evaluation.json")},
            "ModelDataQuality": data_quality,
        },
        "DriftCheckBaselines": {"ModelDataQuality": data_quality},
        "CustomerMetadataProperties": dict(origin),
        "InferenceSpecification": {
            "Containers": [{"Image": IMAGE_URI, "ModelDataUrl": model_data_uri}],
            "SupportedContentTypes": CONTENT_TYPES,
            "SupportedResponseMIMETypes": CONTENT_TYPES,
            "SupportedRealtimeInferenceInstanceTypes": REAL_TIME_INSTANCE_TYPES,
            "SupportedTransformInstanceTypes": TRANSFORM_INSTANCE_TYPES,
        },
    }


def _json_file(folder_uri: Any, name: str) -> dict[str, Any]:
    return {
        "ContentType": "application/json",
        "S3Uri": sdk.Join(on="/", values=[folder_uri, name]),
    }
