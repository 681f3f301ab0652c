"""What EventBridge may not do: each case with the policy undone that lets it."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.conftest import Queue
from tests.local_aws.events.test_delivery import role

Client = Callable[[str], Any]
Eventually = Callable[[Callable[[], Any]], Any]

EVENTS, PLACE = "events.amazonaws.com", "us-east-1:000000000000"
PIPELINE = f"arn:aws:sagemaker:{PLACE}:pipeline/absent"


class Rule:
    """A rule for events of its own name.

    Args:
        client: Clients of the embedded AWS.
        letters: Its targets' dead-letter queue.
    """

    def __init__(self, client: Client, letters: Queue) -> None:
        self._client, self._letters = client, letters
        self.name = f"test.{uuid.uuid4().hex[:8]}"
        pattern = json.dumps({"source": [self.name]})
        self.arn = client("events").put_rule(Name=self.name, EventPattern=pattern)["RuleArn"]

    def aim(self, arn: str, **target: Any) -> None:
        """Give it its only target."""
        letters = {"DeadLetterConfig": {"Arn": self._letters.arn}}
        wanted = {"Id": "t", "Arn": arn, **letters, **target}
        self._client("events").put_targets(Rule=self.name, Targets=[wanted])

    def fire(self) -> None:
        """Put an event that it matches."""
        entry = {"Source": self.name, "DetailType": "test", "Detail": json.dumps({"id": 1})}
        self._client("events").put_events(Entries=[entry])

    def counted(self, metric: str) -> float:
        """The sum of one of its metrics."""
        found = self._client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Events",
            MetricName=metric,
            Dimensions=[{"Name": "RuleName", "Value": self.name}],
            StartTime=time.time() - 600,
            EndTime=time.time() + 60,
            Period=60,
            Statistics=["Sum"],
        )
        return sum(point["Sum"] for point in found["Datapoints"])

    def delete(self) -> None:
        self._client("events").remove_targets(Rule=self.name, Ids=["t"])
        self._client("events").delete_rule(Name=self.name)


@pytest.fixture
def letters(client: Client) -> Queue:
    made = Queue(client("sqs"), f"test-{uuid.uuid4().hex[:8]}")
    made.allow(EVENTS)
    return made


@pytest.fixture
def rule(client: Client, letters: Queue) -> Iterator[Rule]:
    made = Rule(client, letters)
    yield made
    made.delete()


@pytest.fixture
def topic(client: Client) -> str:
    return str(client("sns").create_topic(Name=f"test-{uuid.uuid4().hex[:8]}")["TopicArn"])


def function(client: Client) -> str:
    name = f"test-{uuid.uuid4().hex[:8]}"
    arn = client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="index.handler",
        Role=role(client("iam"), "lambda.amazonaws.com", "s3:GetObject"),
        Code={"ZipFile": b"PK\x05\x06" + bytes(18)},
    )["FunctionArn"]
    return str(arn)


def let_publish(client: Client, topic: str, **conditions: Any) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": EVENTS},
        "Action": "sns:Publish",
        "Resource": topic,
        **({"Condition": conditions} if conditions else {}),
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client("sns").set_topic_attributes(
        TopicArn=topic, AttributeName="Policy", AttributeValue=policy
    )


@pytest.mark.parametrize("conditioned", ["nothing", "another rule", "another account"])
def test_a_queue_whose_policy_does_not_name_the_rule_gets_nothing(
    conditioned: str,
    rule: Rule,
    queue: Queue,
    letters: Queue,
    eventually: Eventually,
) -> None:
    if conditioned == "another rule":
        queue.allow(EVENTS, ArnEquals={"aws:SourceArn": f"arn:aws:events:{PLACE}:rule/other"})
    elif conditioned == "another account":
        queue.allow(EVENTS, StringEquals={"aws:SourceAccount": "111111111111"})
    rule.aim(queue.arn)
    rule.fire()
    (letter,) = eventually(letters.letters)
    assert letter["ERROR_CODE"] == "NO_PERMISSIONS"
    assert (letter["RULE_ARN"], letter["TARGET_ARN"]) == (rule.arn, queue.arn)
    assert letter["body"]["detail"] == {"id": 1}
    assert "EXHAUSTED_RETRY_CONDITION" not in letter
    assert queue.take() == []
    eventually(lambda: rule.counted("InvocationsSentToDlq") == 1)
    assert rule.counted("FailedInvocations") == 1
    assert rule.counted("Invocations") == 1


def test_a_queue_whose_policy_names_the_rule_and_its_account_gets_the_event(
    rule: Rule, queue: Queue, eventually: Eventually
) -> None:
    queue.allow(
        EVENTS,
        ArnEquals={"aws:SourceArn": rule.arn},
        StringEquals={"aws:SourceAccount": "000000000000"},
        Bool={"aws:PrincipalIsAWSService": "true"},
    )
    rule.aim(queue.arn)
    rule.fire()
    assert eventually(queue.take)[0]["detail"] == {"id": 1}
    assert rule.counted("FailedInvocations") == 0


def test_a_bus_has_a_name_and_an_arn(client: Client) -> None:
    """ "The name or ARN of the event bus" (PutRule and the operations on its rules)."""
    events, name = client("events"), f"test-{uuid.uuid4().hex[:8]}"
    arn = events.create_event_bus(Name=name)["EventBusArn"]
    pattern = json.dumps({"source": ["test"]})
    by_arn = events.put_rule(Name=name, EventPattern=pattern, EventBusName=arn)["RuleArn"]
    assert by_arn == f"arn:aws:events:{PLACE}:rule/{name}/{name}"
    target = {"Id": "1", "Arn": f"arn:aws:sqs:{PLACE}:absent"}
    events.put_targets(Rule=name, EventBusName=arn, Targets=[target])
    for bus in (name, arn):
        assert [r["Arn"] for r in events.list_rules(EventBusName=bus)["Rules"]] == [by_arn]
        assert events.describe_rule(Name=name, EventBusName=bus)["EventBusName"] == name
        assert events.list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"] == [target]
    elsewhere = arn.replace("000000000000", "111111111111")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        events.put_rule(Name=name, EventPattern=pattern, EventBusName=elsewhere)
    events.remove_targets(Rule=name, EventBusName=arn, Ids=["1"])
    events.delete_rule(Name=name, EventBusName=arn)
    assert events.list_rules(EventBusName=name)["Rules"] == []
    events.delete_event_bus(Name=name)


def test_a_dead_letter_needs_the_policy_of_its_queue(
    client: Client, rule: Rule, queue: Queue, letters: Queue, eventually: Eventually
) -> None:
    client("sqs").set_queue_attributes(QueueUrl=letters.url, Attributes={"Policy": ""})
    rule.aim(queue.arn)
    rule.fire()
    eventually(lambda: rule.counted("InvocationsFailedToBeSentToDlq") == 1)
    assert letters.take() == []


@pytest.mark.parametrize("conditioned", [True, False])
def test_a_topic_gets_events_only_without_a_condition(
    client: Client,
    rule: Rule,
    topic: str,
    letters: Queue,
    eventually: Eventually,
    *,
    conditioned: bool,
) -> None:
    """EventBridge gives no source to SNS, and SNS's own policy lets no service in."""
    if conditioned:
        let_publish(client, topic, ArnEquals={"aws:SourceArn": rule.arn})
    rule.aim(topic)
    rule.fire()
    assert eventually(letters.letters)[0]["ERROR_CODE"] == "NO_PERMISSIONS"


def test_a_topic_that_lets_events_in_gets_them(
    client: Client, rule: Rule, topic: str, queue: Queue, eventually: Eventually
) -> None:
    let_publish(client, topic)
    queue.allow("sns.amazonaws.com", ArnEquals={"aws:SourceArn": topic})
    raw = {"RawMessageDelivery": "true"}
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn, Attributes=raw)
    rule.aim(topic)
    rule.fire()
    assert eventually(queue.take)[0]["detail"] == {"id": 1}


def test_a_function_needs_a_permission_for_the_rule(
    client: Client, rule: Rule, letters: Queue, eventually: Eventually
) -> None:
    arn = function(client)
    client("lambda").add_permission(
        FunctionName=arn,
        StatementId="other",
        Action="lambda:InvokeFunction",
        Principal=EVENTS,
        SourceArn=f"arn:aws:events:{PLACE}:rule/other",
    )
    rule.aim(arn)
    rule.fire()
    assert eventually(letters.letters)[0]["ERROR_CODE"] == "NO_PERMISSIONS"


def test_a_role_that_trusts_events_no_more_starts_nothing(
    client: Client, rule: Rule, letters: Queue, eventually: Eventually
) -> None:
    arn = role(client("iam"), EVENTS, "sagemaker:StartPipelineExecution")
    rule.aim(PIPELINE, RoleArn=arn)
    trust = {"Effect": "Allow", "Principal": {"Service": EVENTS}, "Action": "sts:AssumeRole"}
    trust["Condition"] = {"ArnEquals": {"aws:SourceArn": f"{rule.arn}-other"}}
    client("iam").update_assume_role_policy(
        RoleName=arn.rpartition("/")[2], PolicyDocument=json.dumps({"Statement": [trust]})
    )
    rule.fire()
    assert eventually(letters.letters)[0]["ERROR_CODE"] == "NO_PERMISSIONS"


@pytest.mark.parametrize("may", [True, False])
def test_a_target_with_a_role_is_reached_as_the_role(
    client: Client, rule: Rule, queue: Queue, letters: Queue, eventually: Eventually, *, may: bool
) -> None:
    kinesis, name = client("kinesis"), f"test-{uuid.uuid4().hex[:8]}"
    kinesis.create_stream(StreamName=name, ShardCount=1)
    stream = kinesis.describe_stream(StreamName=name)["StreamDescription"]
    actions = ("sqs:SendMessage", "kinesis:PutRecord") if may else ("s3:GetObject",)
    arn = role(client("iam"), EVENTS, *actions)
    rule.aim(queue.arn, RoleArn=arn)
    rule.fire()
    key = {"KinesisParameters": {"PartitionKeyPath": "$.detail.id"}}
    if not may:
        assert eventually(letters.letters)[0]["ERROR_CODE"] == "NO_PERMISSIONS"
        rule.aim(stream["StreamARN"], RoleArn=arn, **key)
        rule.fire()
        assert eventually(letters.letters)[0]["TARGET_ARN"] == stream["StreamARN"]
        return
    assert eventually(queue.take)[0]["detail"] == {"id": 1}
    rule.aim(stream["StreamARN"], RoleArn=arn, **key)
    rule.fire()
    iterator = kinesis.get_shard_iterator(
        StreamName=name,
        ShardId=stream["Shards"][0]["ShardId"],
        ShardIteratorType="TRIM_HORIZON",
    )["ShardIterator"]
    records = eventually(lambda: kinesis.get_records(ShardIterator=iterator)["Records"])
    assert records[0]["PartitionKey"] == "1"


ROLE = "arn:aws:iam::000000000000:role/{}"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"Arn": PIPELINE}, f"RoleArn is required for target {PIPELINE}."),
        (
            {"Arn": PIPELINE, "RoleArn": ROLE.format("missing")},
            f"Provided role '{ROLE.format('missing')}' cannot be assumed by principal '{EVENTS}'.",
        ),
        (
            {"Arn": f"arn:aws:sqs:{PLACE}:a.fifo"},
            "Parameter(s) SqsParameters must be specified for target: t.",
        ),
        ({"Arn": f"arn:aws:ecs:{PLACE}:cluster/c", "RoleArn": "x"}, "does not support targets"),
        (
            {
                "Arn": f"arn:aws:sqs:{PLACE}:a",
                "DeadLetterConfig": {"Arn": f"arn:aws:sqs:{PLACE}:b.fifo"},
            },
            "must be a standard queue",
        ),
    ],
)
def test_a_target_that_cannot_be_is_refused(
    target: dict[str, Any], message: str, rule: Rule, deploy: Callable[..., Any]
) -> None:
    with pytest.raises(ClientError) as refused:
        rule.aim(**{"arn": target["Arn"], **{k: v for k, v in target.items() if k != "Arn"}})
    error = refused.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert message in error["Message"]


def test_a_role_that_trusts_another_service_is_refused_in_both_ways(
    client: Client, rule: Rule, deploy: Callable[..., Any]
) -> None:
    arn = role(client("iam"), "ec2.amazonaws.com", "sagemaker:StartPipelineExecution")
    with pytest.raises(ClientError, match="cannot be assumed by principal"):
        rule.aim(PIPELINE, RoleArn=arn)
    properties = {
        "ScheduleExpression": "rate(1 day)",
        "Targets": [{"Id": "t", "Arn": PIPELINE, "RoleArn": arn}],
    }
    name = f"test-{uuid.uuid4().hex[:8]}"
    with pytest.raises(Exception, match="Waiter"):
        deploy({"Rule": {"Type": "AWS::Events::Rule", "Properties": properties}}, name=name)
    told = client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    reasons = [event.get("ResourceStatusReason", "") for event in told]
    assert any("cannot be assumed by principal" in reason for reason in reasons)
