"""Starts a failed analysis again, a few times, and then says that it is given up.

Contract:
    Event: `SageMaker Processing Job State Change` of a job of the monitors that failed.
    Environment: ENDPOINT_NAME, METRIC_NAMESPACE, and RETRIES, how often a job is started again.
    Does: describes the job and creates it again, the same in all but its name, which ends in `-r1`,
    then `-r2`. A name is taken once, so that an event that comes twice starts one job. Reading the
    same again helps when a capture was still being written, a label file replaced, or S3 unwell.
    After the last time the analysis is given up, which is a line in the log and the metric
    `AnalysesFailed` of EndpointName, and of EndpointName and Monitor, and an alarm.
    Raises what AWS refuses: Lambda calls again, and then keeps the event among the dead letters.
    Returns: {"started": the new job's name, or None}.
    Needs: sagemaker:DescribeProcessingJob and CreateProcessingJob, iam:PassRole of the job's role.
"""

import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from pipeline_code.contracts.environment import read
from pipeline_code.contracts.metrics import Dimension, MetricName
from pipeline_code.contracts.monitoring import LABELS

# A job's name has 63 characters at most.
NAME_LIMIT = 63
ATTEMPT = re.compile(r"-r(\d+)$")
COPIED = (
    "AppSpecification",
    "Environment",
    "NetworkConfig",
    "ProcessingInputs",
    "ProcessingOutputConfig",
    "ProcessingResources",
    "RoleArn",
    "StoppingCondition",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The contract's environment."""

    endpoint_name: str
    metric_namespace: str
    retries: int


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, str | None]:
    """Lambda's entry."""
    settings, sagemaker = read(Settings, os.environ), boto3.client("sagemaker")
    failed = sagemaker.describe_processing_job(
        ProcessingJobName=event["detail"]["ProcessingJobName"]
    )
    name = next_name(failed["ProcessingJobName"], settings.retries)
    if name is None:
        _give_up(failed, settings)
    else:
        _start(sagemaker, name, failed)
    return {"started": name}


def next_name(name: str, retries: int) -> str | None:
    """The name of a job's next repetition; None if it was repeated often enough."""
    found = ATTEMPT.search(name)
    done = int(found[1]) if found else 0
    if done >= retries:
        return None
    suffix = f"-r{done + 1}"
    return f"{ATTEMPT.sub('', name)[: NAME_LIMIT - len(suffix)]}{suffix}"


def _start(sagemaker: Any, name: str, failed: Mapping[str, Any]) -> None:
    request = {member: failed[member] for member in COPIED if member in failed}
    try:
        sagemaker.create_processing_job(ProcessingJobName=name, **request)
    except sagemaker.exceptions.ResourceInUse:
        _log("already started again", failed, started=name)
        return
    _log("started again", failed, started=name)


def _give_up(failed: Mapping[str, Any], settings: Settings) -> None:
    """In CloudWatch's embedded metric format."""
    metric = {
        "Namespace": settings.metric_namespace,
        "Dimensions": [[Dimension.ENDPOINT], [Dimension.ENDPOINT, Dimension.MONITOR]],
        "Metrics": [{"Name": MetricName.ANALYSES_FAILED, "Unit": "Count"}],
    }
    _log(
        "given up",
        failed,
        _aws={"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [metric]},
        **{
            Dimension.ENDPOINT: settings.endpoint_name,
            # The job that brings the labels is of no kind of monitor.
            Dimension.MONITOR: failed.get("Environment", {}).get("MONITOR_KIND", LABELS),
            MetricName.ANALYSES_FAILED: 1,
        },
    )


def _log(message: str, failed: Mapping[str, Any], **fields: object) -> None:
    reason = failed.get("ExitMessage") or failed.get("FailureReason")
    job = failed["ProcessingJobName"]
    print(json.dumps({"message": message, "job": job, "reason": reason, **fields}))
