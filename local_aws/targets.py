"""What rules and schedules send to, and as whom.

A rule reaches Lambda, SNS and SQS as EventBridge itself, so that the function's, topic's or queue's
policy decides, unless the target has a role (EventBridge User Guide, "Using resource-based
policies"); everything else is reached as the target's role. A schedule always acts as its role.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

import botocore.exceptions

from local_aws import adapter
from local_aws.adapter import messages
from local_aws.adapter.events import Delivery, Target
from local_aws.passed_roles import events_service, scheduler_service
from local_aws.sagemaker.context import LocalSession

# arn:aws:scheduler:::aws-sdk:<service>:<operation in camel case>
UNIVERSAL_TARGET = re.compile(r"arn:aws[a-z-]*:scheduler:::aws-sdk:([a-z0-9-]+):([A-Za-z0-9]+)")
# Services whose own policies let EventBridge in, by what it does there.
BY_POLICY = {"lambda": "lambda:InvokeFunction", "sns": "sns:Publish", "sqs": "sqs:SendMessage"}
_HTTP_TOO_MANY, _HTTP_SERVER = 429, 500


class UndeliverableError(Exception):
    """A target does not take an event.

    Args:
        code: EventBridge's name of the reason, as dead letters have it.
        message: What a person reads.
        again: Whether it may take it later.
    """

    def __init__(self, code: str, message: str, *, again: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.again = again


def invalid(target: Target) -> str | None:
    """Why a rule may not have a target, in EventBridge's words where they are known, or None."""
    arn = target["Arn"]
    service, name = arn.split(":")[2], arn.rpartition(":")[2]
    supported = service in {*BY_POLICY, *_BY_ROLE}
    if not supported or service == "scheduler":
        return f"The embedded AWS does not support targets of {service}; use {_SUPPORTED}"
    if service not in BY_POLICY and not name.startswith("event-bus/") and "RoleArn" not in target:
        return f"RoleArn is required for target {arn}."  # localstack #8224
    if name.endswith(".fifo") and not (target.get("SqsParameters") or {}).get("MessageGroupId"):
        # moto's tests quote it.
        return f"Parameter(s) SqsParameters must be specified for target: {target['Id']}."
    letters = (target.get("DeadLetterConfig") or {}).get("Arn")
    if letters and (letters.split(":")[2:3] != ["sqs"] or letters.endswith(".fifo")):
        # EventBridge User Guide, "Considerations for using a dead-letter queue".
        return f"DeadLetterConfig.Arn must be a standard queue, got {letters}"
    return None


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
    if service not in _BY_ROLE or (service == "scheduler") != bool(UNIVERSAL_TARGET.fullmatch(arn)):
        return f"The embedded AWS does not support the target {arn}; use {_SUPPORTED}, or aws-sdk"
    letters = (target.get("DeadLetterConfig") or {}).get("Arn", "")
    if letters.endswith(".fifo"):
        # Scheduler User Guide, "Configuring a dead-letter queue".
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
        elif "RoleArn" not in target and service == "events":
            delivery.pass_on()
        elif service in _BY_ROLE:
            _BY_ROLE[service](delivery, Clients(delivery))
        else:
            raise UndeliverableError("NO_RESOURCE", f"{target['Arn']} is not supported")
    except botocore.exceptions.ClientError as error:
        raise _undeliverable(error) from error
    except adapter.RoleNotAssumableError as error:
        raise UndeliverableError("NO_PERMISSIONS", str(error)) from error
    except messages.NotThereError as error:
        raise UndeliverableError("NO_RESOURCE", str(error)) from error
    except (messages.NotTakenError, botocore.exceptions.ParamValidationError) as error:
        raise UndeliverableError("SDK_CLIENT_ERROR", str(error)) from error


def sender(delivery: Delivery, service: str = "") -> adapter.Service:
    """As whom something is delivered, before any role is assumed."""
    if delivery.of_schedule:
        return scheduler_service(str(delivery.source["GroupName"]))
    if service == "sns":
        # "You can't use of Condition blocks in Amazon SNS topic policies for EventBridge"
        # (EventBridge User Guide, "Amazon SNS permissions"): no key is supplied.
        return adapter.Service(name="events.amazonaws.com")
    return events_service(str(delivery.source["Arn"]))


class Clients:
    """Clients with the credentials of a target's role, so that IAM decides.

    Args:
        delivery: What is delivered.

    Raises:
        RoleNotAssumableError: If there is no such role or it does not trust the sender.
    """

    def __init__(self, delivery: Delivery) -> None:
        role = str(delivery.target.get("RoleArn"))
        credentials = sender(delivery).assume(role, "events")
        self.session = LocalSession(
            os.environ["AWS_ENDPOINT_URL"], adapter.current_region(), credentials
        )

    def queue_url(self, arn: str) -> str:
        """Where a queue is reached."""
        account, name = arn.split(":")[4:6]
        return f"{os.environ['AWS_ENDPOINT_URL']}/{account}/{name}"


def _by_policy(delivery: Delivery, service: str) -> None:
    target, arn = delivery.target, delivery.target["Arn"]
    messages.check_exists(arn)
    denied = sender(delivery, service).denied(BY_POLICY[service], arn)
    if denied is not None:
        raise UndeliverableError("NO_PERMISSIONS", denied)
    if service == "lambda":
        messages.invoke_function(arn, _document(delivery.payload))
    elif service == "sns":
        messages.publish(arn, delivery.payload)
    else:
        group = (target.get("SqsParameters") or {}).get("MessageGroupId")
        messages.send_to_queue(arn, delivery.payload, group=group)


def _invoke(delivery: Delivery, clients: Clients) -> None:
    clients.session.client("lambda").invoke(
        FunctionName=delivery.target["Arn"],
        InvocationType="Event",
        Payload=json.dumps(_document(delivery.payload)),
    )


def _publish(delivery: Delivery, clients: Clients) -> None:
    clients.session.client("sns").publish(TopicArn=delivery.target["Arn"], Message=delivery.payload)


def _send(delivery: Delivery, clients: Clients) -> None:
    group = (delivery.target.get("SqsParameters") or {}).get("MessageGroupId")
    clients.session.client("sqs").send_message(
        QueueUrl=clients.queue_url(delivery.target["Arn"]),
        MessageBody=delivery.payload,
        **({"MessageGroupId": group} if group else {}),
    )


def _put_record(delivery: Delivery, clients: Clients) -> None:
    key: Any = delivery.event.get("id")
    path = (delivery.target.get("KinesisParameters") or {}).get("PartitionKeyPath")
    if path is not None:
        key = delivery.event
        for part in path.removeprefix("$.").split("."):
            key = key[part]
    clients.session.client("kinesis").put_record(
        StreamARN=delivery.target["Arn"],
        PartitionKey=(delivery.target.get("KinesisParameters") or {}).get("PartitionKey", str(key)),
        Data=delivery.payload.encode(),
    )


def _put_to_firehose(delivery: Delivery, clients: Clients) -> None:
    clients.session.client("firehose").put_record(
        DeliveryStreamName=delivery.target["Arn"].rpartition("/")[2],
        Record={"Data": delivery.payload.encode()},
    )


def _start_execution(delivery: Delivery, clients: Clients) -> None:
    clients.session.client("stepfunctions").start_execution(
        stateMachineArn=delivery.target["Arn"], input=delivery.payload
    )


def _start_pipeline(delivery: Delivery, clients: Clients) -> None:
    settings = delivery.target.get("SageMakerPipelineParameters") or {}
    clients.session.client("sagemaker").start_pipeline_execution(
        PipelineName=delivery.target["Arn"],
        PipelineParameters=settings.get("PipelineParameterList", []),
    )


def _pass_on(delivery: Delivery, clients: Clients) -> None:
    """To another bus or an API destination, if the role may."""
    arn = delivery.target["Arn"]
    if delivery.of_schedule:
        clients.session.client("events").put_events(
            Entries=[
                {
                    **(delivery.target.get("EventBridgeParameters") or {}),
                    "Detail": delivery.payload,
                    "EventBusName": arn,
                }
            ]
        )
        return
    action = "events:PutEvents" if ":event-bus/" in arn else "events:InvokeApiDestination"
    role = adapter.Role(arn=delivery.target["RoleArn"], session="events")
    if (denied := role.denied(action, arn)) is not None:
        raise UndeliverableError("NO_PERMISSIONS", denied)
    delivery.pass_on()


def _call_operation(delivery: Delivery, clients: Clients) -> None:
    """Any AWS operation, which is what Scheduler's universal targets do."""
    arn = delivery.target["Arn"]
    matched = UNIVERSAL_TARGET.fullmatch(arn)
    if matched is None:
        raise UndeliverableError("NO_RESOURCE", f"{arn} is not a universal target")
    service, operation = matched.groups()
    client = clients.session.client(service)
    methods = {name.lower(): method for method, name in client.meta.method_to_api_mapping.items()}
    if operation.lower() not in methods:
        raise UndeliverableError("NO_RESOURCE", f"service {service} has no operation {operation}")
    getattr(client, methods[operation.lower()])(**json.loads(delivery.payload))


_BY_ROLE: dict[str, Callable[[Delivery, Clients], None]] = {
    "events": _pass_on,
    "firehose": _put_to_firehose,
    "kinesis": _put_record,
    "lambda": _invoke,
    "sagemaker": _start_pipeline,
    "scheduler": _call_operation,
    "sns": _publish,
    "sqs": _send,
    "states": _start_execution,
}
_SUPPORTED = ", ".join(sorted({*BY_POLICY, *_BY_ROLE} - {"scheduler"}))


def _document(payload: str) -> Any:
    """A function's event: an input transformer may give plain text."""
    try:
        return json.loads(payload)
    except json.JSONDecodeError:
        return payload


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
