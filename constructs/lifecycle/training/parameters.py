"""The parameters of the training pipeline, and their defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lifecycle.jobs.pipeline_parts import Parameter
from pipeline_code.contracts.pipelines import PipelineParameter

if TYPE_CHECKING:
    from lifecycle.training.config import TrainingConfig

__all__ = ["training_parameters"]


def training_parameters(config: TrainingConfig, *, revision: str) -> dict[str, Parameter]:
    """The pipeline's parameters by name, with the configuration's values as defaults."""
    declared = [
        # No default: an execution that did not say which data it saw could be answered from cache.
        Parameter(PipelineParameter.DATA_VERSION),
        Parameter("RawDataUri", "s3://${RawBucket}"),
        Parameter("AsOf", "latest"),
        Parameter("TrainDays", config.train_days, "Integer"),
        Parameter("TestDays", config.test_days, "Integer"),
        Parameter("AveragePrecisionFloor", config.gate.average_precision_floor, "Float"),
        Parameter("ApprovalStatus", config.approval_status),
        Parameter(PipelineParameter.TRIGGER_REASON, "manual"),
        Parameter(PipelineParameter.TRIGGER_EVIDENCE, "none"),
        Parameter("CodeRevision", revision),
        Parameter("ProcessingInstanceType", config.jobs.processing_instance_type),
        Parameter("TrainingInstanceType", config.jobs.training.instance_type),
    ]
    return {parameter.name: parameter for parameter in declared}
