"""The definition document of the parity audit's pipeline."""

from __future__ import annotations

from typing import Final

from lifecycle.jobs.job_requests import processing_request
from lifecycle.jobs.pipeline_parts import (
    EXECUTION_ID,
    START_TIME,
    Parameter,
    RequestStep,
    definition_text,
    join,
)
from lifecycle.parity.config import ParityAuditConfig
from pipeline_code.contracts.schema import SCHEMA_VERSION_VARIABLE

__all__ = ["PLACEHOLDERS", "parity_definition"]

PLACEHOLDERS: Final = (
    "AuditorRoleArn",
    "CapturesUri",
    "CustomerFeatureGroup",
    "EndpointName",
    "ImageUri",
    "KeyArn",
    "MetricNamespace",
    "ModelVersion",
    "RawBucket",
    "ReportsUri",
    "SchemaVersion",
    "TerminalFeatureGroup",
)


def parity_definition(config: ParityAuditConfig) -> str:
    """One processing step that reads what it needs itself; `${...}` for `PLACEHOLDERS`.

    An input would be copied whole, and the lake's and the offline store's histories are long.
    """
    hours = Parameter("AuditHours", 24, "Integer")
    settle = Parameter("SettleMinutes", config.settle_minutes, "Integer")
    sample = Parameter("Sample", config.sample, "Integer")
    request = processing_request(
        "parity",
        role="${AuditorRoleArn}",
        compute=config.compute,
        inputs=[],
        outputs={"report": join("/", "${ReportsUri}", EXECUTION_ID)},
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
            "END_TIME": START_TIME,
            "ENDPOINT_NAME": "${EndpointName}",
            "METRIC_NAMESPACE": "${MetricNamespace}",
            "MODEL_VERSION": "${ModelVersion}",
            "RAW_BUCKET": "${RawBucket}",
            "TERMINAL_FEATURE_GROUP": "${TerminalFeatureGroup}",
            SCHEMA_VERSION_VARIABLE: "${SchemaVersion}",
        },
        calls_aws=True,
    )
    step = RequestStep("Audit", "Processing", request)
    return definition_text([hours, settle, sample], [step])
