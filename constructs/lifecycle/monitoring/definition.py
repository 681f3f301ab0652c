"""The definition document of the `scheduled` engine's pipelines."""

from __future__ import annotations

from typing import Final

from lifecycle.jobs.job_requests import Compute, processing_request, s3_input
from lifecycle.jobs.pipeline_parts import (
    EXECUTION_ID,
    START_TIME,
    Parameter,
    RequestStep,
    definition_text,
    join,
)
from lifecycle.monitoring.analyzer import ANALYSIS_PATH, CAPTURES_PATH, analyzer_settings
from pipeline_code.contracts.packages import DIGEST
from pipeline_code.contracts.pipelines import PipelineParameter
from pipeline_code.contracts.schema import SCHEMA_VERSION_VARIABLE

__all__ = ["PLACEHOLDERS", "monitoring_definition"]

PLACEHOLDERS: Final = (
    "AnalyzerRoleArn",
    "BaselineUri",
    "CapturesUri",
    "EndpointName",
    "GroundTruthUri",
    "ImageUri",
    "KeyArn",
    "Kind",
    "LookBackHours",
    "MetricNamespace",
    "ModelDataUri",
    "ModelDigest",
    "ModelVersion",
    "PipelineName",
    "ReportsUri",
    "SchemaVersion",
)
BASELINE_PATH: Final = "/opt/ml/processing/baseline"


def monitoring_definition(compute: Compute) -> str:
    """One processing step, told what Model Monitor would tell it; `${...}` for `PLACEHOLDERS`.

    The hours that end when the execution starts are analyzed: a later step knows no other clock.
    Captures are read by the analyzer itself: an input would be copied whole, and captures are kept
    for long. A kind that needs neither labels nor a model leaves those alone.
    """
    # A string, since its default is known only when the template is deployed.
    hours = Parameter(PipelineParameter.ANALYSIS_HOURS, default_value="${LookBackHours}")
    request = processing_request(
        "monitor",
        role="${AnalyzerRoleArn}",
        compute=compute,
        inputs=[s3_input("baseline", "${BaselineUri}", BASELINE_PATH)],
        outputs={"report": join("/", "${ReportsUri}/${PipelineName}", EXECUTION_ID)},
        output_path=ANALYSIS_PATH,
        environment={
            **analyzer_settings("${MetricNamespace}", "${AWS::Region}"),
            "MONITOR_KIND": "${Kind}",
            "MODEL_VERSION": "${ModelVersion}",
            "CAPTURES_URI": "${CapturesUri}",
            "LOOK_BACK_HOURS": hours,
            "GROUND_TRUTH_URI": "${GroundTruthUri}",
            "MODEL_DATA_URI": "${ModelDataUri}",
            DIGEST: "${ModelDigest}",
            SCHEMA_VERSION_VARIABLE: "${SchemaVersion}",
            "dataset_format": '{"sagemakerCaptureJson":{}}',
            "dataset_source": CAPTURES_PATH,
            "output_path": ANALYSIS_PATH,
            "baseline_constraints": f"{BASELINE_PATH}/constraints.json",
            "baseline_statistics": f"{BASELINE_PATH}/statistics.json",
            "end_time": START_TIME,
            "endpoint_name": "${EndpointName}",
            "monitoring_schedule_name": "${PipelineName}",
            "publish_cloudwatch_metrics": "Enabled",
        },
        calls_aws=True,
    )
    return definition_text([hours], [RequestStep("Analyze", "Processing", request)])
