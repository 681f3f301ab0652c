"""EventBridge's and Scheduler's targets: what ministack accepts but does not deliver, or loses.

Delivery to a Lambda function is an asynchronous invocation (ministack tries once). Targets may be
SageMaker pipelines and, of a schedule, any AWS operation; both run with the target's own role. What
cannot be delivered goes to the target's dead-letter queue.
"""

import json
import logging
import os
import re
import time
from typing import Any

import boto3

from local_aws import adapter

logger = logging.getLogger("fraudloop.delivery")

ATTEMPTS = 3
RETRY_SECONDS = 1.0

# arn:aws:scheduler:::aws-sdk:<service>:<operation in camel case>
UNIVERSAL_TARGET = re.compile(r"arn:aws[a-z-]*:scheduler:::aws-sdk:([a-z0-9-]+):([A-Za-z0-9]+)")


class UndeliverableError(Exception):
    """A target cannot take an event, however often it is tried."""


def install() -> None:
    """Take delivery to Lambda, SageMaker and Scheduler's universal targets over."""
    adapter.set_schedule_interval(1.0)
    adapter.send_plain_dead_letters()
    for service, deliver in (
        ("lambda", deliver_to_function),
        ("sagemaker", start_pipeline),
        ("scheduler", call_operation),
    ):
        adapter.add_event_target(service, _reliably(deliver))


def deliver_to_function(target: dict[str, Any], payload: str) -> None:
    """Invoke a Lambda function asynchronously."""
    try:
        event = json.loads(payload)
    except json.JSONDecodeError:
        event = payload  # an input transformer may give plain text
    if not adapter.invoke_function(target["Arn"], event):
        raise UndeliverableError(f"function {target['Arn']} does not exist")


def start_pipeline(target: dict[str, Any], _payload: str) -> None:
    """Start a SageMaker pipeline with the target's parameters."""
    parameters = target.get("SageMakerPipelineParameters", {}).get("PipelineParameterList", [])
    _client("sagemaker", target).start_pipeline_execution(
        PipelineName=target["Arn"], PipelineParameters=parameters
    )


def call_operation(target: dict[str, Any], payload: str) -> None:
    """Call any AWS operation, which is what Scheduler's universal targets do."""
    matched = UNIVERSAL_TARGET.fullmatch(target["Arn"])
    if matched is None:
        raise UndeliverableError(f"{target['Arn']} is not a universal target")
    service, operation = matched.groups()
    client = _client(service, target)
    methods = {name.lower(): method for method, name in client.meta.method_to_api_mapping.items()}
    if operation.lower() not in methods:
        raise UndeliverableError(f"service {service} has no operation {operation}")
    getattr(client, methods[operation.lower()])(**json.loads(payload))


def _client(service: str, target: dict[str, Any]) -> Any:
    """A client with the credentials of the target's role, so that IAM decides."""
    if "RoleArn" not in target:
        raise UndeliverableError(f"target {target['Arn']} has no RoleArn")
    role = adapter.mint(target["RoleArn"], "events", 3600)
    return boto3.client(
        service,
        region_name=adapter.current_region(),
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        aws_access_key_id=role["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=role["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=role["AWS_SESSION_TOKEN"],
    )


def _reliably(deliver: adapter.Deliver) -> adapter.Deliver:
    """Try a delivery as often as the target's retry policy allows, then use its queue."""

    def delivered(target: dict[str, Any], payload: str) -> None:
        allowed = target.get("RetryPolicy", {}).get("MaximumRetryAttempts", ATTEMPTS - 1)
        for attempt in range(1 + min(int(allowed), ATTEMPTS - 1)):
            if attempt > 0:
                time.sleep(RETRY_SECONDS)
            try:
                deliver(target, payload)
            except UndeliverableError as error:
                failure: Exception = error
                break
            except Exception as error:
                failure = error
            else:
                return
        logger.error("event not delivered to %s: %s", target["Arn"], failure)
        queue = target.get("DeadLetterConfig", {}).get("Arn")
        if queue is not None:
            adapter.send_to_queue(queue, payload)

    return delivered
