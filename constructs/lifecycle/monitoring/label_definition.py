"""The definition document of the pipeline that joins late labels with predictions."""

from __future__ import annotations

from typing import Final

from lifecycle.jobs.job_requests import Compute, processing_request
from lifecycle.jobs.pipeline_parts import Parameter, RequestStep, definition_text
from pipeline_code.contracts.pipelines import PipelineParameter

__all__ = ["PLACEHOLDERS", "label_definition"]

PLACEHOLDERS: Final = (
    "CapturesUri",
    "EndpointName",
    "GroundTruthUri",
    "ImageUri",
    "KeyArn",
    "LabelDelayDays",
    "LabelerRoleArn",
    "LookBackHours",
    "MetricNamespace",
    "RawUri",
)


def label_definition(compute: Compute) -> str:
    """One processing step that reads and writes S3 itself; `${...}` for `PLACEHOLDERS`.

    An input would be copied whole, and captures and the lake are kept for long. An output would be
    written whole, while a file of labels that says the same as before is left alone.
    """
    hours = Parameter(PipelineParameter.LOOK_BACK_HOURS, default_value="${LookBackHours}")
    request = processing_request(
        "labels",
        role="${LabelerRoleArn}",
        compute=compute,
        inputs=[],
        outputs={},
        environment={
            "CAPTURES_URI": "${CapturesUri}",
            "ENDPOINT_NAME": "${EndpointName}",
            "GROUND_TRUTH_URI": "${GroundTruthUri}",
            "LABEL_DELAY_DAYS": "${LabelDelayDays}",
            "LOOK_BACK_HOURS": hours,
            "METRIC_NAMESPACE": "${MetricNamespace}",
            "RAW_URI": "${RawUri}",
        },
        calls_aws=True,
    )
    return definition_text([hours], [RequestStep("Labels", "Processing", request)])
