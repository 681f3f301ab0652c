"""Events in and out of ministack's EventBridge, and asynchronous Lambda invocations."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from ministack.core import concurrency
from ministack.services import eventbridge, lambda_svc


def emit_event(
    detail_type: str,
    detail: dict[str, Any],
    resources: Iterable[str] = (),
    source: str = "aws.sagemaker",
) -> None:
    """Put an event on the default bus as an AWS service does (PutEvents refuses `aws.*` sources).

    Outside a request, wrap it in `request_scope`.
    """
    entry = {
        "Source": source,
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
        "Resources": list(resources),
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def add_event_target(service: str, deliver: Callable[[dict[str, Any], str], None]) -> None:
    """Deliver to rule and schedule targets of a service that ministack accepts but never calls.

    Args:
        service: The service in the target's ARN, such as `sagemaker`.
        deliver: Called in a thread with the target as PutTargets got it and the JSON payload.
    """
    inner = eventbridge._invoke_target

    def invoke_target(
        target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None
    ) -> None:
        if target.get("Arn", "").split(":")[2:3] != [service]:
            inner(target, event, rule, view)
            return
        view = view if view is not None else eventbridge._pattern_event_view(event)
        payload = target.get("Input") or json.dumps(view.event_with_detail())
        if target.get("InputTransformer"):
            payload = eventbridge._apply_input_transformer(target["InputTransformer"], rule, view)
        concurrency.spawn_background(deliver, target, payload, thread_name=f"deliver-{service}")

    eventbridge._invoke_target = invoke_target


def invoke_function(arn: str, event: dict[str, Any]) -> bool:
    """Invoke a Lambda function asynchronously, with its retries and dead-letter queue.

    Returns:
        Whether the function exists.
    """
    function, config, _name = lambda_svc._get_func_record_for_ref(arn)
    if not function or not config:
        return False
    record = lambda_svc._execution_record_for_config(function, config)
    lambda_svc.invoke_async_with_retry(record, event)
    return True


def send_to_queue(queue_arn: str, body: str) -> None:
    """Put a message on an SQS queue as EventBridge does."""
    eventbridge._dispatch_to_sqs(eventbridge.parse_arn(queue_arn), body, {})
