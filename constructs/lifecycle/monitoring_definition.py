"""The definition document of the `scheduled` engine's pipeline."""

from __future__ import annotations

from typing import Final

from lifecycle import sagemaker_sdk as sdk
from lifecycle.analyzer import ANALYSIS_PATH, CAPTURES_PATH, analyzer_settings
from lifecycle.job_requests import Compute, processing_request, s3_input

__all__ = ["PLACEHOLDERS", "monitoring_definition"]

PLACEHOLDERS: Final = (
    "AnalyzerRoleArn",
    "BaselineUri",
    "CapturesUri",
    "EndpointName",
    "ImageUri",
    "KeyArn",
    "MetricNamespace",
    "PipelineName",
    "ReportsUri",
)
BASELINE_PATH: Final = "/opt/ml/processing/baseline"


def monitoring_definition(compute: Compute) -> str:
    """One processing step, told what Model Monitor would tell it; `${...}` for `PLACEHOLDERS`.

    The hours that end when the execution starts are analyzed: a later step knows no other clock.
    """
    hours = sdk.ParameterInteger("AnalysisHours", default_value=1)
    request = processing_request(
        "monitor",
        role="${AnalyzerRoleArn}",
        compute=compute,
        inputs=[
            s3_input("captures", "${CapturesUri}", CAPTURES_PATH),
            s3_input("baseline", "${BaselineUri}", BASELINE_PATH),
        ],
        outputs={
            "report": sdk.Join(
                on="/", values=["${ReportsUri}", sdk.ExecutionVariables.PIPELINE_EXECUTION_ID]
            )
        },
        output_path=ANALYSIS_PATH,
        environment={
            **analyzer_settings("${MetricNamespace}", "${AWS::Region}"),
            "dataset_format": '{"sagemakerCaptureJson":{}}',
            "dataset_source": CAPTURES_PATH,
            "output_path": ANALYSIS_PATH,
            "baseline_constraints": f"{BASELINE_PATH}/constraints.json",
            "baseline_statistics": f"{BASELINE_PATH}/statistics.json",
            "end_time": sdk.ExecutionVariables.START_DATETIME,
            "analysis_hours": hours.to_string(),
            "endpoint_name": "${EndpointName}",
            "monitoring_schedule_name": "${PipelineName}",
            "publish_cloudwatch_metrics": "Enabled",
        },
        calls_aws=True,
    )
    return sdk.compile_definition([hours], [sdk.RequestStep("Analyze", "Processing", request)])
