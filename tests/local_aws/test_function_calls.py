"""Lambda: what of aliases, versions, payloads, destinations and mappings is refused, and told."""

import io
import json
import uuid
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.conftest import Queue
from tests.local_aws.events.test_delivery import Function, role

Client = Callable[[str], Any]
Eventually = Callable[[Callable[[], Any]], Any]
CODE = """
def handler(event, context):
    if event.get("fail"):
        raise KeyError("told to fail")
    return "x" * event.get("size", 0)
"""
LAMBDA = "lambda.amazonaws.com"
TAKE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
SEND = ("sns:Publish", "lambda:InvokeFunction", "events:PutEvents", "s3:PutObject", "s3:ListBucket")
PLACE = "us-east-1:000000000000"


def zipped(code: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("index.py", code)
    return archive.getvalue()


@pytest.fixture(scope="module")
def function(client: Client) -> str:
    """A function with version 1, whose role may send to destinations and take messages."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="index.handler",
        Role=role(client("iam"), LAMBDA, *TAKE, *SEND, "sqs:SendMessage"),
        Code={"ZipFile": zipped(CODE)},
        Publish=True,
    )
    client("lambda").get_waiter("function_active_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.1}
    )
    return name


ABSENT = f"arn:aws:lambda:{PLACE}:function:"
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("create_alias", {"Name": "a", "FunctionVersion": "7"}, f"Function not found: {ABSENT}"),
    (
        "create_alias",
        {
            "Name": "a",
            "FunctionVersion": "1",
            "RoutingConfig": {"AdditionalVersionWeights": {"7": 0.5}},
        },
        "Function not found",
    ),
    ("delete_function", {"Qualifier": "$LATEST"}, "cannot be deleted without"),
    ("publish_version", {"CodeSha256": "x"}, "is different from current CodeSHA256"),
    ("get_policy", {}, "The resource you requested does not exist"),
    ("invoke", {"Payload": b"{x"}, "InvalidRequestContentException"),
    ("invoke", {"Payload": json.dumps("x" * 6_300_000)}, "RequestEntityTooLargeException"),
    (
        "invoke",
        {"Payload": json.dumps("x" * 1_100_000), "InvocationType": "Event"},
        "for the Event invocation type .limit 1048576 bytes",
    ),
    ("update_function_configuration", {"MemorySize": 10_241}, "less than or equal to 10240"),
    ("put_function_event_invoke_config", {}, "at least one of error handling or destination"),
]


@pytest.mark.parametrize(("method", "given", "words"), REFUSED)
def test_it_is_refused(
    client: Client, function: str, method: str, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(ClientError, match=words):
        getattr(client("lambda"), method)(FunctionName=function, **given)


def test_a_function_has_a_name_of_64_characters(client: Client) -> None:
    with pytest.raises(ClientError, match="less than or equal to 64"):
        client("lambda").create_function(
            FunctionName="a" * 65,
            Runtime="python3.13",
            Handler="index.handler",
            Role=role(client("iam"), LAMBDA),
            Code={"ZipFile": zipped(CODE)},
        )


@pytest.mark.parametrize(
    ("kind", "destination"),
    [
        ("OnFailure", f"arn:aws:kinesis:{PLACE}:stream/a"),
        ("OnFailure", f"arn:aws:sqs:{PLACE}:a.fifo"),
        ("OnSuccess", "arn:aws:s3:::a-bucket"),
        ("OnSuccess", "itself"),
    ],
)
def test_a_destination_that_cannot_be_is_refused(
    client: Client, function: str, kind: str, destination: str
) -> None:
    arn = destination if destination != "itself" else ABSENT + function
    with pytest.raises(ClientError, match="InvalidParameterValueException"):
        client("lambda").put_function_event_invoke_config(
            FunctionName=function, DestinationConfig={kind: {"Destination": arn}}
        )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"BatchSize": 11}, "Maximum batch window in seconds must be greater than 0"),
        ({"StartingPosition": "LATEST"}, "StartingPosition is not supported"),
        ({"BisectBatchOnFunctionError": True}, "BisectBatchOnFunctionError is not supported"),
        ({"ParallelizationFactor": 2}, "ParallelizationFactor is not supported"),
        ({"FilterCriteria": {"Filters": [{"Pattern": '{"a": "b"}'}]}}, "Invalid filter pattern"),
        ({"FilterCriteria": {"Filters": [{"Pattern": '{"a": ["b"]}'}] * 6}}, "5 filters at most"),
    ],
)
def test_a_queues_mapping_that_cannot_be_is_refused(
    client: Client, function: str, queue: Queue, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(ClientError, match=words):
        client("lambda").create_event_source_mapping(
            FunctionName=function, EventSourceArn=queue.arn, **given
        )


def test_a_function_has_one_mapping_of_a_source(
    client: Client, function: str, queue: Queue
) -> None:
    wanted = {"FunctionName": function, "EventSourceArn": queue.arn, "Enabled": False}
    uuid_ = client("lambda").create_event_source_mapping(**wanted)["UUID"]
    with pytest.raises(ClientError, match=f"already exists.*with UUID {uuid_}"):
        client("lambda").create_event_source_mapping(**wanted)


def test_an_answer_of_more_than_6_mib_is_an_error(client: Client, function: str) -> None:
    answer = client("lambda").invoke(FunctionName=function, Payload=b'{"size": 6300000}')
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "Function.ResponseSizeTooLarge"


def invoke(client: Client, function: str, kind: str, destination: str) -> None:
    client("lambda").put_function_event_invoke_config(
        FunctionName=function,
        MaximumRetryAttempts=0,
        DestinationConfig={kind: {"Destination": destination}},
    )
    client("lambda").invoke(
        FunctionName=function,
        InvocationType="Event",
        Payload=json.dumps({"id": kind, "fail": kind == "OnFailure"}),
    )


def test_a_topic_is_told_how_an_invocation_ended(
    client: Client, function: str, queue: Queue, eventually: Eventually
) -> None:
    topic = client("sns").create_topic(Name=function)["TopicArn"]
    queue.allow("sns.amazonaws.com")
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    invoke(client, function, "OnSuccess", topic)
    (notice,) = eventually(queue.take)
    record = json.loads(notice["Message"])
    assert (record["requestPayload"]["id"], record["responsePayload"]) == ("OnSuccess", "")
    assert record["requestContext"]["condition"] == "Success"


def test_a_bus_is_told_how_an_invocation_ended(
    client: Client, function: str, queue: Queue, eventually: Eventually
) -> None:
    bus = client("events").create_event_bus(Name=function)["EventBusArn"]
    pattern = json.dumps({"source": ["lambda"]})
    client("events").put_rule(Name="told", EventBusName=function, EventPattern=pattern)
    target = {"Id": "1", "Arn": queue.arn}
    client("events").put_targets(Rule="told", EventBusName=function, Targets=[target])
    queue.allow("events.amazonaws.com")
    invoke(client, function, "OnFailure", bus)
    (event,) = eventually(queue.take)
    assert event["detail-type"] == "Lambda Function Invocation Result - Failure"
    assert event["detail"]["responsePayload"]["errorType"] == "KeyError"


def test_a_bucket_is_told_how_an_invocation_ended(
    client: Client, function: str, eventually: Eventually
) -> None:
    client("s3").create_bucket(Bucket=function)
    invoke(client, function, "OnFailure", f"arn:aws:s3:::{function}")
    prefix = f"aws/lambda/async/{function}/"
    listed = eventually(
        lambda: client("s3").list_objects_v2(Bucket=function, Prefix=prefix).get("Contents")
    )
    body = client("s3").get_object(Bucket=function, Key=listed[0]["Key"])["Body"].read()
    assert json.loads(body)["requestPayload"] == {"id": "OnFailure", "fail": True}


def test_a_function_is_told_how_an_invocation_ended(
    client: Client, function: str, queue: Queue, eventually: Eventually
) -> None:
    told = Function(client, queue.arn)
    invoke(client, function, "OnSuccess", told.arn)
    (record,) = eventually(told.invocations)
    assert record["requestPayload"] == {"id": "OnSuccess", "fail": False}
