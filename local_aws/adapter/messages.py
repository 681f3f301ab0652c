"""Messages that services put into ministack's queues and topics, and invocations of functions.

Nothing is authorized here: ask `Service.denied` before.
"""

import uuid
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from ministack.services import lambda_svc, sns, sqs

_by_service: ContextVar[bool] = ContextVar("queue_by_service", default=False)


class TargetNotFoundError(Exception):
    """There is no such queue, topic or function."""


class MessageRejectedError(Exception):
    """A queue or topic does not take a message: it is too large, or misses something."""


def let_services_send() -> None:
    """Have a queue's policy asked once, of the service that sends, and not of who is served."""
    inner = sqs._enforce_queue_policy

    def enforce_queue_policy(queue: dict[str, Any], action: str) -> None:
        if not _by_service.get():
            inner(queue, action)

    sqs._enforce_queue_policy = enforce_queue_policy


def check_entries(problem: Callable[[Mapping[str, Any]], str | None]) -> None:
    """Have entries of a batch fail one by one for their attributes.

    Args:
        problem: What is wrong with a message's attributes, or None.
    """
    send = sqs._act_send_message

    def send_message(data: dict[str, Any], qurl: str) -> Any:
        words = problem(data.get("MessageAttributes") or {})
        if words is not None:
            raise sqs._Err("InvalidParameterValue", words)
        return send(data, qurl)

    sqs._act_send_message = send_message


def check_exists(arn: str) -> None:
    """Check that a queue, topic or function exists.

    Raises:
        TargetNotFoundError: If it does not.
    """
    service = arn.split(":")[2]
    if service == "lambda":
        there = bool(lambda_svc._get_func_record_for_ref(arn)[1])
    elif service == "sns":
        there = sns._topic_by_arn_any_scope(arn) is not None
    else:
        there = sqs._queue_by_arn(arn) is not None
    if not there:
        raise TargetNotFoundError(f"{arn} does not exist")


def send_to_queue(
    arn: str,
    body: str,
    *,
    attributes: Mapping[str, str] | None = None,
    group: str | None = None,
) -> None:
    """Put a message on a queue.

    Args:
        arn: The queue.
        body: The message.
        attributes: Its string attributes.
        group: Its message group, which a FIFO queue wants.

    Raises:
        TargetNotFoundError: If there is no such queue.
        MessageRejectedError: If the queue does not take the message.
    """
    check_exists(arn)
    request: dict[str, Any] = {
        "MessageBody": body,
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value}
            for name, value in (attributes or {}).items()
        },
    }
    if group is not None:
        request |= {"MessageGroupId": group, "MessageDeduplicationId": uuid.uuid4().hex}
    token = _by_service.set(True)
    try:
        sqs._act_send_message(request, sqs._queue_url(arn.rpartition(":")[2]))
    except sqs._Err as error:
        raise MessageRejectedError(str(error)) from error
    finally:
        _by_service.reset(token)


def publish(arn: str, message: str) -> None:
    """Publish to a topic.

    Raises:
        TargetNotFoundError: If there is no such topic.
        MessageRejectedError: If the topic does not take the message.
    """
    try:
        published = sns.publish_internal(arn, message)
    except sns.SnsPublishError as error:
        raise MessageRejectedError(str(error)) from error
    if published is None:
        raise TargetNotFoundError(f"topic {arn} does not exist")


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
