"""A monitoring execution as a processing job, by Model Monitor's container contract.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-contract-inputs.html
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from local_aws.sagemaker import data
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.monitoring.windows import AnalysisWindow, stamp

_BASELINE = "/opt/ml/processing/baseline"
_MOST_PREFIXES = 8  # a job has at most ten inputs; the baseline may take two
_FORMAT = {"sagemakerCaptureJson": {"captureIndexNames": ["endpointInput", "endpointOutput"]}}
_LEVELS = ("%Y/%m/%d/%H", "%Y/%m/%d", "%Y/%m", "%Y")


class NoDataError(Exception):
    """Nothing to analyze, or no way to get at it; the message is the failure reason."""


@dataclass(frozen=True, slots=True)
class Captures:
    """Where an endpoint's captures are: one prefix a variant."""

    endpoint: str
    uri: str
    variants: tuple[str, ...]


def captures_of(context: Context, endpoint_name: str) -> Captures:
    """Where an endpoint's captures are.

    Raises:
        NoDataError: If there is no such endpoint, or it captures nothing.
    """
    endpoint = context.store.get("endpoint", endpoint_name)
    if endpoint is None:
        raise NoDataError(f"Endpoint {endpoint_name} does not exist.")
    # What is deployed counts; while an endpoint is created, what will be.
    config = context.store.get("endpoint-config", endpoint["EndpointConfigName"]) or {}
    capture, variants = config.get("DataCaptureConfig"), config.get("ProductionVariants", ())
    names = tuple(variant["VariantName"] for variant in variants)
    if "Deployed" in endpoint:
        plan = endpoint["Deployed"]
        capture, names = plan["capture"], tuple(spec["variant"] for spec in plan["variants"])
    if not capture or not capture.get("EnableCapture", False):
        raise NoDataError(f"Endpoint {endpoint_name} must have data capture enabled.")
    return Captures(endpoint_name, capture["DestinationS3Uri"].rstrip("/"), names)


def make_job(
    context: Context,
    schedule: str,
    definition: Mapping[str, Any],
    window: AnalysisWindow,
    scheduled: datetime,
) -> dict[str, Any]:
    """The CreateProcessingJob request of one execution.

    Raises:
        NoDataError: If the endpoint captured nothing in the window.
    """
    source = definition["MonitoringInputs"][0]["EndpointInput"]
    captures = captures_of(context, source["EndpointName"])
    inputs = _capture_inputs(context, definition["RoleArn"], captures, window, source["LocalPath"])
    baseline_inputs, baseline_environment = _baseline(definition.get("BaselineConfig", {}))
    output = definition["MonitoringOutputConfig"]["MonitoringOutputs"][0]["S3Output"]
    results = f"{output['S3Uri'].rstrip('/')}/{captures.endpoint}/{schedule}"
    environment = {
        "dataset_format": json.dumps(_FORMAT),
        "dataset_source": source["LocalPath"],
        "output_path": output["LocalPath"],
        "publish_cloudwatch_metrics": "Disabled",
        "sagemaker_endpoint_name": captures.endpoint,
        "sagemaker_monitoring_schedule_name": schedule,
        "start_time": stamp(window.start),
        "end_time": stamp(window.end),
        **baseline_environment,
        **definition.get("Environment", {}),
    }
    request: dict[str, Any] = {
        "ProcessingJobName": f"model-monitoring-{scheduled:%Y%m%d%H%M}-{uuid.uuid4().hex[:24]}",
        "RoleArn": definition["RoleArn"],
        "AppSpecification": _application(definition["MonitoringAppSpecification"]),
        "Environment": environment,
        "ProcessingInputs": [*inputs, *baseline_inputs],
        "ProcessingOutputConfig": _output(definition, output, f"{results}/{scheduled:%Y/%m/%d/%H}"),
        "ProcessingResources": definition["MonitoringResources"],
    }
    for member in ("NetworkConfig", "StoppingCondition"):
        if member in definition:
            request[member] = definition[member]
    return request


def _application(specification: Mapping[str, Any]) -> dict[str, Any]:
    members = ("ImageUri", "ContainerEntrypoint", "ContainerArguments")
    return {member: specification[member] for member in members if member in specification}


def _output(definition: Mapping[str, Any], output: Mapping[str, Any], uri: str) -> dict[str, Any]:
    target = {
        "S3Uri": uri,
        "LocalPath": output["LocalPath"],
        "S3UploadMode": output.get("S3UploadMode", "EndOfJob"),
    }
    config: dict[str, Any] = {"Outputs": [{"OutputName": "result", "S3Output": target}]}
    key = definition["MonitoringOutputConfig"].get("KmsKeyId")
    return config if key is None else {**config, "KmsKeyId": key}


def _baseline(config: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    inputs, environment = [], {}
    for member, name, folder in (
        ("ConstraintsResource", "baseline_constraints", "constraints"),
        ("StatisticsResource", "baseline_statistics", "stats"),
    ):
        uri = config.get(member, {}).get("S3Uri")
        if uri is not None:
            inputs.append(_input(f"baseline-{folder}", uri, f"{_BASELINE}/{folder}"))
            environment[name] = f"{_BASELINE}/{folder}/{uri.rpartition('/')[2]}"
    return inputs, environment


def _capture_inputs(
    context: Context, role_arn: str, captures: Captures, window: AnalysisWindow, path: str
) -> list[dict[str, Any]]:
    """The captures' prefixes that cover the window; the container looks at times itself."""
    s3 = context.role_session(role_arn, "SageMaker").client("s3")
    try:
        found = _filled_prefixes(s3, captures, window)
    except ClientError as error:
        raise NoDataError(f"The captures of {captures.endpoint} cannot be read: {error}") from error
    if not found:
        raise NoDataError(
            f"Job inputs had no data: {captures.endpoint} captured nothing from "
            f"{stamp(window.start)} to {stamp(window.end)}"
        )
    return [
        _input(f"endpoint-{number}", f"{captures.uri}/{part}", f"{path.rstrip('/')}/{part}")
        for number, part in enumerate(found)
    ]


def _filled_prefixes(s3: Any, captures: Captures, window: AnalysisWindow) -> list[str]:
    bucket, root = data.split(captures.uri, "DestinationS3Uri")
    found: list[str] = []
    for level in _LEVELS:
        parts = dict.fromkeys(f"{hour:{level}}" for hour in window.hours())
        names = [f"{captures.endpoint}/{v}/{part}" for v in captures.variants for part in parts]
        found = [
            name
            for name in names
            if s3.list_objects_v2(
                Bucket=bucket, Prefix="/".join(p for p in (root, name) if p) + "/", MaxKeys=1
            ).get("Contents")
        ]
        if len(found) <= _MOST_PREFIXES:
            break
    return found


def _input(name: str, uri: str, path: str) -> dict[str, Any]:
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": path,
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            "S3DataDistributionType": "FullyReplicated",
            "S3CompressionType": "None",
        },
    }
