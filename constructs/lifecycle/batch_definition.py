"""The batch-scoring pipeline's definition document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lifecycle import sagemaker_sdk as sdk
from lifecycle.job_requests import KEY_ARN

if TYPE_CHECKING:
    from lifecycle.batch_scoring import BatchScoringConfig

__all__ = ["batch_definition"]


def batch_definition(config: BatchScoringConfig) -> str:
    """One transform step; `${KeyArn}` stands for the key."""
    model = sdk.ParameterString("ModelName")
    source = sdk.ParameterString("InputDataUri")
    target = sdk.ParameterString("OutputDataUri")
    request = {
        "ModelName": model,
        # Small requests with many lines each: a failed one is retried alone.
        "BatchStrategy": "MultiRecord",
        "MaxPayloadInMB": 6,
        "TransformInput": {
            "ContentType": "text/csv",
            "SplitType": "Line",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}},
        },
        "TransformOutput": {
            "S3OutputPath": target,
            "Accept": "text/csv",
            "AssembleWith": "Line",
            "KmsKeyId": KEY_ARN,
        },
        "TransformResources": {
            "InstanceType": config.instance_type,
            "InstanceCount": config.instance_count,
            "VolumeKmsKeyId": KEY_ARN,
        },
    }
    # Not cached: the same prefix may hold other rows tomorrow.
    step = sdk.RequestStep("Score", "Transform", request)
    return sdk.compile_definition([model, source, target], [step])
