"""Events in and out of ministack's EventBridge, and asynchronous Lambda invocations."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from ministack.core import concurrency
from ministack.services import eventbridge, lambda_svc, scheduler

Target = dict[str, Any]
Deliver = Callable[[Target, str], None]


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


def add_event_target(service: str, deliver: Deliver) -> None:
    """Deliver to the rule and schedule targets of a service in place of ministack.

    Args:
        service: The service in the target's ARN, such as `sagemaker`.
        deliver: Called in a thread, in the rule's account and region, with the target as
            PutTargets or CreateSchedule got it, and the payload.
    """
    inner = eventbridge._invoke_target

    def invoke_target(
        target: Target, event: dict[str, Any], rule: dict[str, Any], view: Any = None
    ) -> None:
        if target.get("Arn", "").split(":")[2:3] != [service]:
            inner(target, event, rule, view)
            return
        view = view if view is not None else eventbridge._pattern_event_view(event)
        payload = _payload(target, rule, view)
        concurrency.spawn_background(deliver, target, payload, thread_name=f"deliver-{service}")

    eventbridge._invoke_target = invoke_target


def _payload(target: Target, rule: dict[str, Any], view: Any) -> str:
    """What a target is sent: its constant, transformed or selected input, or the whole event."""
    if target.get("InputTransformer"):
        return str(eventbridge._apply_input_transformer(target["InputTransformer"], rule, view))
    if target.get("Input"):
        return str(target["Input"])
    selected = view.event_with_detail()
    for part in filter(None, target.get("InputPath", "").lstrip("$").split(".")):
        selected = selected[part]
    return json.dumps(selected)


def invoke_function(arn: str, event: Any) -> bool:
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


def send_plain_dead_letters() -> None:
    """Send a function's dead-letter queue the event itself, as AWS does.

    ministack sends it the envelope of an on-failure destination, which is another thing.
    """
    inner = lambda_svc._route_async_failure

    def route(target_arn: str, func_name: str, event: Any, result: dict[str, Any]) -> None:
        function = lambda_svc._functions.get(func_name)
        dead_letters = function["config"].get("DeadLetterConfig") if function else None
        if dead_letters and dead_letters.get("TargetArn") == target_arn and ":sqs:" in target_arn:
            send_to_queue(target_arn, json.dumps(event))
        else:
            inner(target_arn, func_name, event, result)

    lambda_svc._route_async_failure = route


def send_to_queue(queue_arn: str, body: str) -> None:
    """Put a message on an SQS queue as EventBridge does."""
    eventbridge._dispatch_to_sqs(eventbridge.parse_arn(queue_arn), body, {})


def set_schedule_interval(seconds: float) -> None:
    """How often rules and schedules are looked at for being due; call it before `serve`."""
    eventbridge._SCHEDULER_TICK_INTERVAL = seconds
    scheduler._SCHEDULE_TICK_INTERVAL = seconds
