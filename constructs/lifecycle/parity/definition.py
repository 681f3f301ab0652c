"""The definition document of the parity audit's pipeline."""

from __future__ import annotations

from typing import Final

from lifecycle.jobs import sagemaker_sdk as sdk
from lifecycle.jobs.job_requests import processing_request
from lifecycle.parity.config import ParityAuditConfig

__all__ = ["PLACEHOLDERS", "parity_definition"]

PLACEHOLDERS: Final = (
    "AuditorRoleArn",
    "CapturesUri",
    "CustomerFeatureGroup",
    "EndpointName",
    "ImageUri",
    "KeyArn",
    "MetricNamespace",
    "RawBucket",
    "ReportsUri",
    "TerminalFeatureGroup",
)


def parity_definition(config: ParityAuditConfig) -> str:
    """One processing step that reads what it needs itself; `${...}` for `PLACEHOLDERS`.

    An input would be copied whole, and the lake's and the offline store's histories are long.
    """
    hours = sdk.ParameterInteger("AuditHours", default_value=24)
    settle = sdk.ParameterInteger("SettleMinutes", default_value=config.settle_minutes)
    sample = sdk.ParameterInteger("Sample", default_value=config.sample)
    request = processing_request(
        "parity",
        role="${AuditorRoleArn}",
        compute=config.compute,
        inputs=[],
        outputs={
            "report": sdk.Join(
                on="/", values=["${ReportsUri}", sdk.ExecutionVariables.PIPELINE_EXECUTION_ID]
            )
        },
        arguments=[
            "--hours",
            hours.to_string(),
            "--settle-minutes",
            settle.to_string(),
            "--sample",
            sample.to_string(),
            "--lookback-days",
            str(config.lookback_days),
        ],
        environment={
            "CAPTURES_URI": "${CapturesUri}",
            "CUSTOMER_FEATURE_GROUP": "${CustomerFeatureGroup}",
            "END_TIME": sdk.ExecutionVariables.START_DATETIME,
            "ENDPOINT_NAME": "${EndpointName}",
            "METRIC_NAMESPACE": "${MetricNamespace}",
            "RAW_BUCKET": "${RawBucket}",
            "TERMINAL_FEATURE_GROUP": "${TerminalFeatureGroup}",
        },
        calls_aws=True,
    )
    step = sdk.RequestStep("Audit", "Processing", request)
    return sdk.compile_definition([hours, settle, sample], [step])
