"""The targets of rules and schedules, and as whom they are sent to.

A rule reaches Lambda, SNS and SQS as EventBridge itself, so that the function's, topic's or queue's
policy decides, unless the target has a role (EventBridge User Guide, "Using resource-based policies
for Amazon EventBridge"); everything else is reached as the target's role. A schedule always acts as
its role.
"""

from collections.abc import Mapping
from typing import Any

import botocore.exceptions

from local_aws import adapter
from local_aws.adapter import messages
from local_aws.adapter.events import Delivery, Target
from local_aws.behaviours.playing import plays
from local_aws.events.target_roles import (
    BY_ROLE,
    UNIVERSAL_TARGET,
    Clients,
    UndeliverableError,
    document,
    sender,
)
from local_aws.guesses import Guess, guessed
from local_aws.rules.events import input_problem

# Services whose own policies let EventBridge in, by what it does there.
BY_POLICY = {"lambda": "lambda:InvokeFunction", "sns": "sns:Publish", "sqs": "sqs:SendMessage"}
_HTTP_TOO_MANY, _HTTP_SERVER = 429, 500


def invalid(target: Target) -> str | None:
    """Why a rule may not have a target, in EventBridge's words where they are known, or None."""
    arn = target["Arn"]
    service, name = arn.split(":")[2], arn.rpartition(":")[2]
    supported = service in {*BY_POLICY, *BY_ROLE}
    bus = service != "events" or name.startswith("event-bus/")
    if not supported or service == "scheduler" or not bus:
        return f"The embedded AWS does not support targets of {service}; use {_SUPPORTED}"
    unneeded = bus and service == "events" and plays("bus-role", "not-needed")
    if service not in BY_POLICY and "RoleArn" not in target and not unneeded:
        # localstack #8224, of a state machine. Of buses: "you use IAM roles on the sender event
        # bus" (EventBridge User Guide, "Sending and receiving ... events between event buses").
        guesses = (Guess.BUS_ROLE,) if name.startswith("event-bus/") else ()
        return guessed(f"RoleArn is required for target {arn}.", *guesses)
    if name.endswith(".fifo") and not (target.get("SqsParameters") or {}).get("MessageGroupId"):
        # moto's tests quote it.
        return f"Parameter(s) SqsParameters must be specified for target: {target['Id']}."
    letters = (target.get("DeadLetterConfig") or {}).get("Arn")
    if letters and (letters.split(":")[2:3] != ["sqs"] or letters.endswith(".fifo")):
        # EventBridge User Guide, "Using dead-letter queues to process undelivered events".
        return f"DeadLetterConfig.Arn must be a standard queue, got {letters}"
    return input_problem(target)


def invalid_schedule(schedule: Mapping[str, Any]) -> str | None:
    """Why a schedule cannot be, or None; Scheduler says itself what it lacks."""
    zone = schedule.get("ScheduleExpressionTimezone") or "UTC"
    if zone not in ("UTC", "Etc/UTC"):
        return (
            f"The embedded AWS does not support ScheduleExpressionTimezone {zone}; "
            "write the expression in UTC"
        )
    target = schedule.get("Target") or {}
    arn = str(target.get("Arn", ""))
    service = arn.split(":")[2] if arn.count(":") > 2 else ""  # noqa: PLR2004 - its service's place
    if service not in BY_ROLE or (service == "scheduler") != bool(UNIVERSAL_TARGET.fullmatch(arn)):
        return f"The embedded AWS does not support the target {arn}; use {_SUPPORTED}, or aws-sdk"
    letters = (target.get("DeadLetterConfig") or {}).get("Arn", "")
    if letters.endswith(".fifo"):
        # Scheduler User Guide, "Configuring a schedule's dead-letter queue in EventBridge
        # Scheduler".
        return f"DeadLetterConfig.Arn must be a standard queue, got {letters}"
    return None


def reach(delivery: Delivery) -> None:
    """Send what is to be delivered, once.

    Raises:
        UndeliverableError: If the target does not take it.
    """
    target = delivery.target
    service = target["Arn"].split(":")[2]
    try:
        if service in BY_POLICY and "RoleArn" not in target and not delivery.of_schedule:
            _by_policy(delivery, service)
        elif service == "events" and "RoleArn" not in target:
            delivery.pass_on()  # as `invalid` has let it be
        elif service in BY_ROLE:
            BY_ROLE[service](delivery, Clients(delivery))
        else:
            raise UndeliverableError("NO_RESOURCE", f"{target['Arn']} is not supported")
    except botocore.exceptions.ClientError as error:
        raise _undeliverable(error) from error
    except adapter.RoleNotAssumableError as error:
        raise UndeliverableError("NO_PERMISSIONS", str(error)) from error
    except messages.TargetNotFoundError as error:
        raise UndeliverableError("NO_RESOURCE", str(error)) from error
    except (messages.MessageRejectedError, botocore.exceptions.ParamValidationError) as error:
        raise UndeliverableError("SDK_CLIENT_ERROR", str(error)) from error


def _by_policy(delivery: Delivery, service: str) -> None:
    target, arn = delivery.target, delivery.target["Arn"]
    messages.check_exists(arn)
    denied = sender(delivery, service).denied(BY_POLICY[service], arn)
    if denied is not None:
        raise UndeliverableError("NO_PERMISSIONS", denied)
    if service == "lambda":
        messages.invoke_function(arn, document(delivery.payload))
    elif service == "sns":
        messages.publish(arn, delivery.payload)
    else:
        group = (target.get("SqsParameters") or {}).get("MessageGroupId")
        messages.send_to_queue(arn, delivery.payload, group=group)


_SUPPORTED = ", ".join(sorted({*BY_POLICY, *BY_ROLE} - {"scheduler"}))


def _undeliverable(error: botocore.exceptions.ClientError) -> UndeliverableError:
    code = str(error.response["Error"].get("Code", ""))
    status = int(error.response["ResponseMetadata"]["HTTPStatusCode"])
    # EventBridge repeats answers of 429 and 5xx only (re:Post, "How do I set up EventBridge
    # retries and DLQ for failed invocations?").
    if status == _HTTP_TOO_MANY or status >= _HTTP_SERVER or "Throttl" in code:
        return UndeliverableError("THROTTLING", str(error), again=True)
    if "AccessDenied" in code or "NotAuthorized" in code or "AuthorizationError" in code:
        return UndeliverableError("NO_PERMISSIONS", str(error))
    if "NotFound" in code or "NonExistent" in code or "DoesNotExist" in code:
        return UndeliverableError("NO_RESOURCE", str(error))
    return UndeliverableError("SDK_CLIENT_ERROR", str(error))
