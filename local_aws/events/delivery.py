"""Delivery of what EventBridge's rules and Scheduler's schedules send.

What a target does not take now is sent again as its retry policy says; what it does not take at
all goes to its dead-letter queue, and is counted.
"""

import json
import logging
import time
import uuid
from dataclasses import dataclass
from functools import partial

import botocore.exceptions

from local_aws import adapter
from local_aws.adapter import messages
from local_aws.adapter.events import (
    Delivery,
    check_entries,
    check_targets,
    deliver_events,
    take_buses_by_arn,
)
from local_aws.adapter.functions import mappings
from local_aws.adapter.schedules import check_schedules
from local_aws.behaviours.playing import plays
from local_aws.events.target_roles import Clients, UndeliverableError, sender
from local_aws.events.targets import invalid, invalid_schedule, reach
from local_aws.rules import message_attributes
from local_aws.rules.events import entry_refusal

logger = logging.getLogger("fraudloop.delivery")

# EventBridge User Guide, "How EventBridge retries delivering events".
ATTEMPTS = 185
AGE_SECONDS = 24 * 3600
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an event was given up.

    Attributes:
        error: What the target said last.
        retries: How often it was tried again.
        exhausted: The limit of the retry policy that ended it; None if nothing was to be gained.
    """

    error: UndeliverableError
    retries: int
    exhausted: str | None


def install() -> None:
    """Take delivery over from ministack."""
    adapter.set_schedule_interval(1.0)
    messages.let_services_send()
    messages.check_entries(partial(message_attributes.problem, most=message_attributes.OF_QUEUES))
    take_buses_by_arn()
    check_entries(entry_refusal)
    check_targets(invalid)
    check_schedules(invalid_schedule)
    deliver_events(deliver)


def deliver(delivery: Delivery) -> None:
    """Deliver to one target, or say that it failed."""
    failure = _attempt(delivery)
    _count(delivery, "Invocations", "InvocationAttemptCount")
    if failure is None:
        return
    arn, error = delivery.target["Arn"], failure.error
    logger.error("event not delivered to %s: %s: %s", arn, error.code, error)
    _count(delivery, "FailedInvocations", "TargetErrorCount")
    queue = (delivery.target.get("DeadLetterConfig") or {}).get("Arn")
    if queue is None:
        _count(delivery, None, "InvocationDroppedCount")
        return
    if (reason := _bury(delivery, queue, failure)) is None:
        _count(delivery, "InvocationsSentToDlq", "InvocationsSentToDeadLetterCount")
        return
    logger.error("dead letter of %s not sent to %s: %s", arn, queue, reason)
    _count(delivery, "InvocationsFailedToBeSentToDlq", "InvocationsFailedToBeSentToDeadLetterCount")


def _attempt(delivery: Delivery) -> Failure | None:
    policy = delivery.target.get("RetryPolicy") or {}
    most = int(policy.get("MaximumRetryAttempts", ATTEMPTS))
    deadline = time.monotonic() + float(policy.get("MaximumEventAgeInSeconds", AGE_SECONDS))
    retries = 0
    while True:
        try:
            reach(delivery)
        except UndeliverableError as error:
            failure = error
        except botocore.exceptions.BotoCoreError as error:  # the server stops, perhaps
            failure = UndeliverableError("CONNECTION_FAILURE", str(error), again=True)
        except Exception as error:
            logger.exception("event for %s", delivery.target["Arn"])
            failure = UndeliverableError("UNKNOWN", repr(error))
        else:
            return None
        wait = min(FIRST_WAIT_SECONDS * 2**retries, LONGEST_WAIT_SECONDS)
        if not failure.again:
            return Failure(failure, retries, None)
        if retries >= most:
            return Failure(failure, retries, "MaximumRetryAttempts")
        if time.monotonic() + wait > deadline:
            return Failure(failure, retries, "MaximumEventAgeInSeconds")
        time.sleep(wait)
        retries += 1


def _bury(delivery: Delivery, queue: str, failure: Failure) -> str | None:
    """Send a dead letter; why it could not be sent, or None."""
    attributes = {
        "ERROR_CODE": failure.error.code,
        "ERROR_MESSAGE": str(failure.error),
        "RETRY_ATTEMPTS": str(failure.retries),
        "TARGET_ARN": delivery.target["Arn"],
    }
    if failure.exhausted is not None:
        attributes["EXHAUSTED_RETRY_CONDITION"] = failure.exhausted
    try:
        if delivery.of_schedule:
            return _bury_as_role(delivery, queue, attributes)
        # The queue's policy decides (EventBridge User Guide, "Granting permissions to the
        # dead-letter queue"), and the letter is the event, not what the target was to get.
        if (denied := sender(delivery).denied("sqs:SendMessage", queue)) is not None:
            return denied
        attributes["RULE_ARN"] = str(delivery.source["Arn"])
        messages.send_to_queue(queue, json.dumps(delivery.event), attributes=attributes)
    except (messages.TargetNotFoundError, messages.MessageRejectedError) as error:
        return str(error)
    return None


def _bury_as_role(delivery: Delivery, queue: str, attributes: dict[str, str]) -> str | None:
    """A schedule's role decides (Scheduler User Guide, "Configuring a schedule's dead-letter
    queue in EventBridge Scheduler", "Set up execution role permissions")."""
    attributes |= {
        "EXECUTION_ID": str(uuid.uuid4()),
        "IS_PAYLOAD_TRUNCATED": "false",
        "SCHEDULED_TIME": str(delivery.event.get("time", "")),
        "SCHEDULE_ARN": str(delivery.source["Arn"]),
    }
    if plays("schedule-letters", "policy"):
        denied = sender(delivery).denied("sqs:SendMessage", queue)
        if denied is not None:
            return denied
    try:
        clients = Clients(delivery)
        clients.session.client("sqs").send_message(
            QueueUrl=clients.queue_url(queue),
            MessageBody=delivery.payload,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
                if value
            },
        )
    except (adapter.RoleNotAssumableError, botocore.exceptions.ClientError) as error:
        return str(error)
    return None


def _count(delivery: Delivery, of_rule: str | None, of_schedule: str) -> None:
    """Count in `AWS/Events` or `AWS/Scheduler`, with the dimensions that they document."""
    source = delivery.source
    if delivery.of_schedule:
        dimensions = {"ScheduleGroup": str(source["GroupName"])}
        mappings.record_metric("AWS/Scheduler", of_schedule, 1, "Count", dimensions)
    elif of_rule is not None:
        # "Metrics that specify both the EventBusName and RuleName dimensions refer to a custom
        # event bus" (EventBridge User Guide, "Monitoring Amazon EventBridge").
        bus = str(source.get("EventBusName", "default"))
        dimensions = {"RuleName": str(source["Name"])}
        dimensions |= {} if bus == "default" else {"EventBusName": bus}
        mappings.record_metric("AWS/Events", of_rule, 1, "Count", dimensions)
