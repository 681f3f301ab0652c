"""What SNS, S3, CloudWatch and Scheduler may not do: the policy undone that lets them."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.alarms.test_alarms import put_alarm, put_metric
from tests.local_aws.conftest import Queue
from tests.local_aws.events.test_delivery import Function, at_once, role

Client = Callable[[str], Any]
Eventually = Callable[[Callable[[], Any]], Any]

PLACE = "us-east-1:000000000000"
ACCOUNT = "000000000000"


@pytest.fixture
def topic(client: Client) -> str:
    return str(client("sns").create_topic(Name=f"test-{uuid.uuid4().hex[:8]}")["TopicArn"])


@pytest.fixture
def function(client: Client, queue: Queue) -> Function:
    return Function(client, queue.arn)


def allow_invocation(client: Client, function: Function, service: str, source: str) -> None:
    client("lambda").add_permission(
        FunctionName=function.arn,
        StatementId=uuid.uuid4().hex,
        Action="lambda:InvokeFunction",
        Principal=service,
        SourceArn=source,
        SourceAccount=ACCOUNT,
    )


def history(client: Client, alarm: str) -> list[str]:
    items = client("cloudwatch").describe_alarm_history(AlarmName=alarm, HistoryItemType="Action")
    return [item["HistorySummary"] for item in items["AlarmHistoryItems"]]


def set_topic_policy(client: Client, topic: str, service: str, **conditions: Any) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sns:Publish",
        "Resource": topic,
        "Condition": conditions,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client("sns").set_topic_attributes(
        TopicArn=topic, AttributeName="Policy", AttributeValue=policy
    )


@pytest.mark.parametrize("source", [None, "another"])
def test_a_topic_does_not_reach_a_function_that_does_not_let_it(
    source: str | None, client: Client, function: Function, topic: str, eventually: Eventually
) -> None:
    letters = Queue(client("sqs"), f"test-{uuid.uuid4().hex[:8]}")
    letters.allow("sns.amazonaws.com", ArnEquals={"aws:SourceArn": topic})
    if source is not None:
        allow_invocation(client, function, "sns.amazonaws.com", f"{topic}-{source}")
    redrive = json.dumps({"deadLetterTargetArn": letters.arn})
    subscribe = client("sns").subscribe
    subscribe(
        TopicArn=topic,
        Protocol="lambda",
        Endpoint=function.arn,
        Attributes={"RedrivePolicy": redrive},
    )
    client("sns").publish(TopicArn=topic, Message="one")
    assert eventually(letters.take)[0]["Message"] == "one"
    assert function.invocations() == []
    allow_invocation(client, function, "sns.amazonaws.com", topic)
    client("sns").publish(TopicArn=topic, Message="two")
    ((event,),) = eventually(lambda: [call["Records"] for call in function.invocations()])
    assert event["Sns"]["Message"] == "two"


def test_a_bucket_notifies_a_function_that_lets_it_only(
    client: Client, function: Function, eventually: Eventually
) -> None:
    bucket, s3 = f"test-{uuid.uuid4().hex[:8]}", client("s3")
    s3.create_bucket(Bucket=bucket)
    configured = {
        "LambdaFunctionConfigurations": [
            {"LambdaFunctionArn": function.arn, "Events": ["s3:ObjectCreated:*"]}
        ]
    }
    put = s3.put_bucket_notification_configuration
    with pytest.raises(ClientError, match="Not authorized to invoke function"):
        put(Bucket=bucket, NotificationConfiguration=configured)
    allow_invocation(client, function, "s3.amazonaws.com", f"arn:aws:s3:::{bucket}")
    put(Bucket=bucket, NotificationConfiguration=configured)
    s3.put_object(Bucket=bucket, Key="seen", Body=b"")
    eventually(function.invocations)


def test_an_alarm_publishes_to_a_topic_that_lets_it_only(client: Client, topic: str) -> None:
    namespace = f"test/{uuid.uuid4().hex[:8]}"
    alarms = {
        "default": topic,
        "another": client("sns").create_topic(Name=f"test-{uuid.uuid4().hex[:8]}")["TopicArn"],
    }
    other = f"arn:aws:cloudwatch:{PLACE}:alarm:other"
    set_topic_policy(
        client,
        alarms["another"],
        "cloudwatch.amazonaws.com",
        ArnEquals={"aws:SourceArn": other},
    )
    name = put_alarm(client, namespace, AlarmActions=list(alarms.values()))
    put_metric(client, namespace, 3, "fraud", "Drift")
    found = history(client, name)
    assert any(each == f"Successfully executed action {topic}" for each in found)
    assert any(
        f"not authorized to perform: SNS:Publish on resource: {alarms['another']}" in each
        for each in found
    )


def test_an_alarm_invokes_a_function_that_lets_it_only(
    client: Client, function: Function, eventually: Eventually
) -> None:
    namespace = f"test/{uuid.uuid4().hex[:8]}"
    name = put_alarm(client, namespace, AlarmActions=[function.arn])
    put_metric(client, namespace, 3, "fraud", "Drift")
    eventually(lambda: any("Failed to execute" in each for each in history(client, name)))
    assert function.invocations() == []
    again = put_alarm(client, f"{namespace}/2", AlarmActions=[function.arn])
    service = "lambda.alarms.cloudwatch.amazonaws.com"
    allow_invocation(client, function, service, f"arn:aws:cloudwatch:{PLACE}:alarm:{again}")
    put_metric(client, f"{namespace}/2", 3, "fraud", "Drift")
    assert eventually(function.invocations)[0]["alarmData"]["alarmName"] == again


class Schedules:
    """Schedules of one target, that of a parameter that is written."""

    def __init__(self, client: Client) -> None:
        self._client, self.made = client, list[str]()
        self.parameter = f"/test/{uuid.uuid4().hex[:8]}"

    def create(self, role_arn: str, in_seconds: float = 0, **target: Any) -> None:
        name = f"test-{uuid.uuid4().hex[:8]}"
        request = {"Name": self.parameter, "Value": "ran", "Type": "String"}
        self._client("scheduler").create_schedule(
            Name=name,
            ScheduleExpression=at_once(in_seconds),
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": "arn:aws:scheduler:::aws-sdk:ssm:putParameter",
                "RoleArn": role_arn,
                "Input": json.dumps(request),
                **target,
            },
        )
        self.made.append(name)

    def dropped(self) -> float:
        """How many invocations of the default group went nowhere so far."""
        found = self._client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Scheduler",
            MetricName="InvocationDroppedCount",
            Dimensions=[{"Name": "ScheduleGroup", "Value": "default"}],
            StartTime=time.time() - 600,
            EndTime=time.time() + 60,
            Period=60,
            Statistics=["Sum"],
        )
        return sum(point["Sum"] for point in found["Datapoints"])

    def written(self) -> bool:
        return bool(self._client("ssm").get_parameters(Names=[self.parameter])["Parameters"])


@pytest.fixture
def schedules(client: Client) -> Iterator[Schedules]:
    made = Schedules(client)
    yield made
    for name in made.made:
        client("scheduler").delete_schedule(Name=name)


def trust(client: Client, role_arn: str, **conditions: Any) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "scheduler.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": conditions,
    }
    client("iam").update_assume_role_policy(
        RoleName=role_arn.rpartition("/")[2],
        PolicyDocument=json.dumps({"Statement": [statement]}),
    )


def test_a_schedule_acts_for_its_group(
    client: Client, schedules: Schedules, eventually: Eventually
) -> None:
    arn = role(client("iam"), "scheduler.amazonaws.com", "ssm:PutParameter")
    group = f"arn:aws:scheduler:{PLACE}:schedule-group/default"
    source = {"aws:SourceArn": group, "aws:SourceAccount": ACCOUNT}
    trust(client, arn, StringEquals=source)
    schedules.create(arn)
    eventually(schedules.written)


@pytest.mark.parametrize("of", ["schedule/default/*", "schedule-group/other"])
def test_a_role_for_something_else_is_refused(
    of: str, client: Client, schedules: Schedules
) -> None:
    arn = role(client("iam"), "scheduler.amazonaws.com", "ssm:PutParameter")
    trust(client, arn, ArnLike={"aws:SourceArn": f"arn:aws:scheduler:{PLACE}:{of}"})
    with pytest.raises(ClientError, match="must allow AWS EventBridge Scheduler to assume"):
        schedules.create(arn)


def test_a_role_that_trusts_no_more_drops_what_is_scheduled(
    client: Client, schedules: Schedules, eventually: Eventually
) -> None:
    before = schedules.dropped()
    arn = role(client("iam"), "scheduler.amazonaws.com", "ssm:PutParameter")
    schedules.create(arn, in_seconds=3)  # after the change of the role
    trust(client, arn, StringEquals={"aws:SourceAccount": "111111111111"})
    eventually(lambda: schedules.dropped() > before)
    assert not schedules.written()


def test_a_schedule_of_a_template_is_as_strict(
    client: Client, deploy: Callable[..., dict[str, str]]
) -> None:
    arn = role(client("iam"), "ec2.amazonaws.com", "ssm:PutParameter")
    properties = {
        "ScheduleExpression": "rate(1 day)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": "arn:aws:scheduler:::aws-sdk:ssm:putParameter", "RoleArn": arn},
    }
    name = f"test-{uuid.uuid4().hex[:8]}"
    with pytest.raises(Exception, match="Waiter"):
        deploy({"One": {"Type": "AWS::Scheduler::Schedule", "Properties": properties}}, name=name)
    told = client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    assert any("must allow AWS EventBridge" in e.get("ResourceStatusReason", "") for e in told)


def test_a_project_builds_as_a_role_that_trusts_it_only(client: Client) -> None:
    codebuild, name = client("codebuild"), f"test-{uuid.uuid4().hex[:8]}"
    wanted = {
        "name": name,
        "source": {"type": "NO_SOURCE", "buildspec": "version: 0.2"},
        "artifacts": {"type": "NO_ARTIFACTS"},
        "environment": {
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/standard:7.0",
            "computeType": "BUILD_GENERAL1_SMALL",
        },
    }
    refused = "CodeBuild is not authorized to perform: sts:AssumeRole"
    with pytest.raises(ClientError, match=refused):
        codebuild.create_project(
            **wanted, serviceRole=role(client("iam"), "ec2.amazonaws.com", "s3:GetObject")
        )
    arn = role(client("iam"), "codebuild.amazonaws.com", "s3:GetObject")
    codebuild.create_project(**wanted, serviceRole=arn)
    build = codebuild.start_build(projectName=name)["build"]
    assert build["buildStatus"] == "FAILED"
    ((said,),) = ([each["message"] for each in p["contexts"]] for p in build["phases"])
    assert "is not authorized to perform: logs:CreateLogGroup" in said
    actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    logging = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    client("iam").put_role_policy(
        RoleName=arn.rpartition("/")[2],
        PolicyName="logs",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [logging]}),
    )
    assert codebuild.start_build(projectName=name)["build"]["buildStatus"] == "SUCCEEDED"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "codebuild.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {
            "ArnEquals": {"aws:SourceArn": f"arn:aws:codebuild:{PLACE}:project/{name}-other"}
        },
    }
    client("iam").update_assume_role_policy(
        RoleName=arn.rpartition("/")[2], PolicyDocument=json.dumps({"Statement": [statement]})
    )
    with pytest.raises(ClientError, match=refused):
        codebuild.start_build(projectName=name)


def test_a_schedule_sends_as_its_role(
    client: Client, schedules: Schedules, queue: Queue, eventually: Eventually
) -> None:
    """A queue's policy is not needed, for the role is of the queue's account."""
    arn = role(client("iam"), "scheduler.amazonaws.com", "sqs:SendMessage")
    schedules.create(arn, Arn=queue.arn)
    assert eventually(queue.take)[0]["Name"] == schedules.parameter
