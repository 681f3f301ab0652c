"""What a start of the training pipeline may set, and what holds if it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lifecycle.jobs import sagemaker_sdk as sdk

if TYPE_CHECKING:
    from lifecycle.training.config import TrainingConfig

__all__ = ["training_parameters"]


def training_parameters(config: TrainingConfig, *, revision: str) -> dict[str, Any]:
    """The pipeline's parameters by name, with the configuration's values as defaults."""
    declared = [
        # No default: an execution that did not say which data it saw could be answered from cache.
        sdk.ParameterString("DataVersion"),
        sdk.ParameterString("RawDataUri", default_value="s3://${RawBucket}"),
        sdk.ParameterString("AsOf", default_value="latest"),
        sdk.ParameterInteger("TrainDays", default_value=config.train_days),
        sdk.ParameterInteger("TestDays", default_value=config.test_days),
        sdk.ParameterFloat(
            "AveragePrecisionFloor", default_value=config.gate.average_precision_floor
        ),
        sdk.ParameterString("ApprovalStatus", default_value=config.approval_status),
        sdk.ParameterString("TriggerReason", default_value="manual"),
        sdk.ParameterString("TriggerEvidence", default_value="none"),
        sdk.ParameterString("CodeRevision", default_value=revision),
        sdk.ParameterString(
            "ProcessingInstanceType", default_value=config.jobs.processing_instance_type
        ),
        sdk.ParameterString(
            "TrainingInstanceType", default_value=config.jobs.training.instance_type
        ),
    ]
    return {parameter.name: parameter for parameter in declared}
