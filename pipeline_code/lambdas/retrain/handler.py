"""Starts the training pipeline when a monitor, an alarm or a schedule asks for it.

Contract:
    Event: `Monitoring Violations Found` of source `fraudloop.monitor`, `CloudWatch Alarm State
    Change`, or a schedule's event.
    Environment: PIPELINE_NAME, COOL_DOWN_SECONDS, RAW_BUCKET.
    Nothing is started while an execution runs, nor within the cool-down after the last retraining
    began, nor for an alarm that did not go to ALARM. An event that arrives twice, or two in one
    cool-down, start one execution: the request token is that of the cool-down's time slot.
    The execution's display name starts with `retrain-`; its parameters are TriggerReason, and
    DataVersion: the fingerprint of the raw data (`pipeline_code.common.fingerprint`), so that steps
    are taken from the cache only when their data is the same.
    Returns: {"started": bool, "reason": text, "execution_arn": text or None}.
    Needs: sagemaker:ListPipelineExecutions and StartPipelineExecution on the pipeline;
    s3:ListBucket on the raw bucket.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.exceptions import ClientError

DISPLAY_NAME_PREFIX = "retrain-"
RUNNING = ("Executing", "Stopping")
# The reason ends in the model package's metadata, which takes these characters and this length.
NOT_IN_METADATA = re.compile(r"[^\w \-.:/=+@]+", re.ASCII)
REASON_LIMIT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the stack tells this function."""

    pipeline_name: str
    cool_down: timedelta
    raw_bucket: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        return cls(
            pipeline_name=environment["PIPELINE_NAME"],
            cool_down=timedelta(seconds=int(environment["COOL_DOWN_SECONDS"])),
            raw_bucket=environment["RAW_BUCKET"],
        )


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Lambda's entry."""
    settings = Settings.from_environment(os.environ)
    reason = trigger_reason(event)
    if reason is None:
        return _result("the alarm did not go to ALARM")
    now = datetime.now(UTC)
    sagemaker = boto3.client("sagemaker")
    obstacle = _obstacle(sagemaker, settings, now)
    if obstacle is not None:
        return _result(obstacle)
    try:
        arn = _start(sagemaker, settings, event, reason, now)
    except ClientError as error:
        # Same token, other parameters: the slot's execution was started a moment ago.
        if error.response["Error"]["Code"] != "ConflictException":
            raise
        return _result("another event of this cool-down started an execution")
    return _result(reason, arn)


def trigger_reason(event: Mapping[str, Any]) -> str | None:
    """Why to retrain, in words; None if the event is no reason.

    Raises:
        ValueError: It is not one of the events of the contract.
    """
    source, detail = event.get("source"), event.get("detail", {})
    if source == "fraudloop.monitor":
        features = " ".join(detail.get("features", []))
        return _plain(f"drift: {detail['violations']} violations in {features}")
    if source == "aws.cloudwatch":
        if detail["state"]["value"] != "ALARM":
            return None
        return _plain(f"alarm: {detail['alarmName']}")
    if source in ("aws.events", "aws.scheduler"):
        return "schedule"
    raise ValueError(f"source must be a monitor, an alarm or a schedule, got {source}")


def fingerprint(s3: Any, bucket: str) -> str:
    """A hash of the raw data's listing: it changes when an object does, comes or goes."""
    pages = s3.get_paginator("list_objects_v2")
    lines = [
        f"{item['Key']} {item['ETag'].strip(chr(34))}\n"
        for prefix in ("transactions/", "fraud_reports/")
        for page in pages.paginate(Bucket=bucket, Prefix=prefix)
        for item in page.get("Contents", [])
    ]
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()[:32]


def request_token(settings: Settings, moment: datetime) -> str:
    """The same for every event of one cool-down's time slot.

    Two retrainings are at least a cool-down apart, so that they never share a slot.
    """
    slot = int(moment.timestamp() // max(settings.cool_down.total_seconds(), 1))
    return hashlib.sha256(f"{settings.pipeline_name} {slot}".encode()).hexdigest()


def _obstacle(sagemaker: Any, settings: Settings, now: datetime) -> str | None:
    """Why no execution may start now; None if one may."""
    # The newest hundred are enough: what runs or began within the cool-down is among them.
    executions = sagemaker.list_pipeline_executions(
        PipelineName=settings.pipeline_name,
        SortBy="CreationTime",
        SortOrder="Descending",
        MaxResults=100,
    )["PipelineExecutionSummaries"]
    for execution in executions:
        arn = execution["PipelineExecutionArn"]
        if execution["PipelineExecutionStatus"] in RUNNING:
            return f"execution {arn} is running"
        is_retraining = execution.get("PipelineExecutionDisplayName", "").startswith(
            DISPLAY_NAME_PREFIX
        )
        if is_retraining and now - execution["StartTime"] < settings.cool_down:
            return f"execution {arn} began within the cool-down of {settings.cool_down}"
    return None


def _start(
    sagemaker: Any, settings: Settings, event: Mapping[str, Any], reason: str, now: datetime
) -> str:
    moment = datetime.fromisoformat(event["time"]) if "time" in event else now
    parameters = {
        "TriggerReason": reason,
        "DataVersion": fingerprint(boto3.client("s3"), settings.raw_bucket),
    }
    arn: str = sagemaker.start_pipeline_execution(
        PipelineName=settings.pipeline_name,
        PipelineExecutionDisplayName=f"{DISPLAY_NAME_PREFIX}{now:%Y%m%dT%H%M%S}",
        PipelineExecutionDescription=reason,
        PipelineParameters=[{"Name": k, "Value": v} for k, v in parameters.items()],
        ClientRequestToken=request_token(settings, moment),
    )["PipelineExecutionArn"]
    return arn


def _plain(text: str) -> str:
    return NOT_IN_METADATA.sub(" ", text).strip()[:REASON_LIMIT]


def _result(reason: str, execution_arn: str | None = None) -> dict[str, Any]:
    result = {"started": execution_arn is not None, "reason": reason}
    result["execution_arn"] = execution_arn
    print(json.dumps({"message": "retraining", **result}))
    return result
