"""PutEvents entry by entry, buses by their ARN, patterns, schedules and inputs of targets."""

import json
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.conftest import Queue
from tests.local_aws.events.test_delivery import role

Client = Callable[[str], Any]
ENTRY = {"Source": "test", "DetailType": "type", "Detail": "{}"}
PATTERN = '{"source": ["test"]}'


def test_entries_are_answered_one_by_one(client: Client) -> None:
    wrong = [
        ({"Source": ""}, "InvalidArgument"),
        ({"DetailType": ""}, "InvalidArgument"),
        ({"Detail": ""}, "InvalidArgument"),
        ({"Detail": "{x"}, "MalformedDetail"),
        ({"Detail": "[1]"}, "MalformedDetail"),
        ({"Source": "aws.s3"}, "NotAuthorizedForSourceException"),
    ]
    entries = [ENTRY, *(ENTRY | more for more, _code in wrong)]
    answer = client("events").put_events(Entries=entries)
    assert answer["FailedEntryCount"] == len(wrong)
    assert [each.get("ErrorCode") for each in answer["Entries"]] == [
        None,
        *(code for _more, code in wrong),
    ]
    assert "EventId" in answer["Entries"][0]
    assert "DetailType is a required argument" in answer["Entries"][2]["ErrorMessage"]


def test_a_request_has_ten_entries_and_256_kib(client: Client) -> None:
    quoted = json.dumps({"a": '"' * 120_000})  # which JSON in JSON would double once more
    client("events").put_events(Entries=[ENTRY | {"Detail": quoted}])
    for entries in ([ENTRY] * 11, [ENTRY | {"Detail": json.dumps({"a": "x" * 262_144})}]):
        with pytest.raises(ClientError, match="ValidationException"):
            client("events").put_events(Entries=entries)


def test_a_bus_is_named_by_its_arn_and_an_event_has_its_entrys_time(
    client: Client, queue: Queue, eventually: Callable[..., Any]
) -> None:
    events, name = client("events"), f"bus-{uuid.uuid4().hex[:8]}"
    bus = events.create_event_bus(Name=name)["EventBusArn"]
    rule = {"Rule": "r", "EventBusName": bus}
    arn = events.put_rule(Name="r", EventPattern=PATTERN, EventBusName=bus)["RuleArn"]
    assert arn.endswith(f":rule/{name}/r")
    assert [each["Name"] for each in events.list_rules(EventBusName=bus)["Rules"]] == ["r"]
    queue.allow("events.amazonaws.com", ArnEquals={"aws:SourceArn": arn})
    events.put_targets(**rule, Targets=[{"Id": "1", "Arn": queue.arn}])
    moment = datetime(2020, 1, 2, 3, 4, 5)
    events.put_events(Entries=[ENTRY | {"EventBusName": bus, "Time": moment}])
    assert [each["time"] for each in eventually(queue.take)] == ["2020-01-02T03:04:05Z"]
    with pytest.raises(ClientError, match="since it has rules"):
        events.delete_event_bus(Name=name)
    events.remove_targets(**rule, Ids=["1"])
    events.delete_rule(Name="r", EventBusName=bus)
    events.delete_event_bus(Name=name)


@pytest.mark.parametrize(
    "pattern",
    [
        "{x",
        "[]",
        '{"source": "a"}',
        '{"source": []}',
        '{"detail": {}}',
        '{"source": [{"prefix": 1}]}',
        '{"source": [{"unknown": "a"}]}',
        '{"source": [{"prefix": "a", "suffix": "b"}]}',
        '{"detail": {"a": [{"numeric": [">"]}]}}',
        '{"detail": {"a": [{"numeric": [">", 5, "<", 3]}]}}',
        '{"detail": {"a": [{"exists": "yes"}]}}',
        '{"detail": {"a": [{"anything-but": []}]}}',
        '{"detail": {"a": [{"cidr": "10.0.0.0/99"}]}}',
        '{"detail": {"a": [{"wildcard": "a**b"}]}}',
    ],
)
def test_a_pattern_that_is_none_is_refused(client: Client, pattern: str) -> None:
    with pytest.raises(ClientError, match="Event pattern is not valid"):
        client("events").put_rule(Name="refused", EventPattern=pattern)


@pytest.mark.parametrize("fields", ["0 25 * * ? *", "60 0 * * ? *", "0 12 * * ? 1960"])
def test_a_schedules_fields_have_their_range(client: Client, fields: str) -> None:
    with pytest.raises(ClientError, match="ScheduleExpression is not valid"):
        client("events").put_rule(Name="refused", ScheduleExpression=f"cron({fields})")


@pytest.mark.parametrize("fields", ["0/5 8-17 ? * MON-FRI *", "0 12 L * ? *", "0 12 ? * 2#1 *"])
def test_a_schedule_may_be_as_the_guide_has_it(client: Client, fields: str) -> None:
    client("events").put_rule(Name="scheduled", ScheduleExpression=f"cron({fields})")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"Input": '"a"', "InputPath": "$.a"}, "Only one of"),
        ({"Input": "{x"}, "JSON syntax error in input for target 1"),
        ({"InputPath": "detail"}, "Invalid InputPath"),
        (
            {"InputTransformer": {"InputPathsMap": {"a": "$.a"}, "InputTemplate": '"<b>"'}},
            "undefined placeholder b",
        ),
    ],
)
def test_a_targets_input_is_one_and_whole(
    client: Client, queue: Queue, given: dict[str, Any], words: str
) -> None:
    client("events").put_rule(Name="inputs", EventPattern=PATTERN)
    with pytest.raises(ClientError, match=words):
        client("events").put_targets(
            Rule="inputs", Targets=[{"Id": "1", "Arn": queue.arn, **given}]
        )


@pytest.mark.parametrize(
    ("method", "given", "words"),
    [
        ("describe_rule", {"Name": "none"}, "Rule none does not exist"),
        ("list_targets_by_rule", {"Rule": "none"}, "Rule none does not exist"),
        ("list_rules", {"EventBusName": "none"}, "Event bus none does not exist"),
        ("create_event_bus", {"Name": "a/b"}, "must not contain '/'"),
        ("delete_event_bus", {"Name": "default"}, "Cannot delete event bus default"),
        ("test_event_pattern", {"Event": "{}", "EventPattern": PATTERN}, "lacks id, account"),
    ],
)
def test_what_is_not_there_or_cannot_be_is_refused(
    client: Client, method: str, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(ClientError, match=words):
        getattr(client("events"), method)(**given)


def test_a_bus_passes_events_on_to_another(
    client: Client, queue: Queue, eventually: Callable[..., Any]
) -> None:
    events, name = client("events"), f"bus-{uuid.uuid4().hex[:8]}"
    bus = events.create_event_bus(Name=name)["EventBusArn"]
    pattern = json.dumps({"source": [name]})
    events.put_rule(Name=name, EventPattern=pattern)
    target = {"Id": "1", "Arn": bus}
    with pytest.raises(ClientError, match="RoleArn is required"):
        events.put_targets(Rule=name, Targets=[target])
    passing = role(client("iam"), "events.amazonaws.com", "events:PutEvents")
    events.put_targets(Rule=name, Targets=[target | {"RoleArn": passing}])
    events.put_rule(Name=name, EventPattern=pattern, EventBusName=name)
    queue.allow("events.amazonaws.com")
    events.put_targets(Rule=name, EventBusName=name, Targets=[{"Id": "1", "Arn": queue.arn}])
    events.put_events(Entries=[ENTRY | {"Source": name}])
    assert [each["source"] for each in eventually(queue.take)] == [name]


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:states:us-east-1:000000000000:stateMachine:a",
        "arn:aws:events:us-east-1:000000000000:api-destination/a/b",
        "arn:aws:ecs:us-east-1:000000000000:cluster/a",
    ],
)
def test_what_cannot_be_reached_is_no_target(client: Client, arn: str) -> None:
    client("events").put_rule(Name="targets", EventPattern=PATTERN)
    passing = role(client("iam"), "events.amazonaws.com", "states:StartExecution")
    target = {"Id": "1", "Arn": arn, "RoleArn": passing}
    with pytest.raises(ClientError, match="does not support targets of"):
        client("events").put_targets(Rule="targets", Targets=[target])
