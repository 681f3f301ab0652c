"""The sending to targets with their roles."""

import json
import os
import re
from collections.abc import Callable
from typing import Any

from local_aws import adapter
from local_aws.adapter.events import Delivery
from local_aws.policies.passed_roles import events_service, scheduler_service
from local_aws.sagemaker.context import LocalSession

# arn:aws:scheduler:::aws-sdk:<service>:<operation in camel case>
UNIVERSAL_TARGET = re.compile(r"arn:aws[a-z-]*:scheduler:::aws-sdk:([a-z0-9-]+):([A-Za-z0-9]+)")


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


def document(payload: str) -> Any:
    """A function's event: an input transformer may give plain text."""
    try:
        return json.loads(payload)
    except json.JSONDecodeError:
        return payload


def _invoke(delivery: Delivery, clients: Clients) -> None:
    clients.session.client("lambda").invoke(
        FunctionName=delivery.target["Arn"],
        InvocationType="Event",
        Payload=json.dumps(document(delivery.payload)),
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


def _start_pipeline(delivery: Delivery, clients: Clients) -> None:
    settings = delivery.target.get("SageMakerPipelineParameters") or {}
    clients.session.client("sagemaker").start_pipeline_execution(
        PipelineName=delivery.target["Arn"],
        PipelineParameters=settings.get("PipelineParameterList", []),
    )


def _pass_on(delivery: Delivery, clients: Clients) -> None:
    """To another bus, if the role may."""
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
    role = adapter.Role(arn=delivery.target["RoleArn"], session="events")
    if (denied := role.denied("events:PutEvents", arn)) is not None:
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


BY_ROLE: dict[str, Callable[[Delivery, Clients], None]] = {
    "events": _pass_on,
    "firehose": _put_to_firehose,
    "kinesis": _put_record,
    "lambda": _invoke,
    "sagemaker": _start_pipeline,
    "scheduler": _call_operation,
    "sns": _publish,
    "sqs": _send,
}
