import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.local_aws.conftest import Queue

Client = Callable[[str], Any]
Eventually = Callable[[Callable[[], Any]], Any]

PIPELINE = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/absent"

# Writes each attempt to S3 under the request's ID; fails if the event says so.
CODE = """
import json, os, time, boto3
def handler(event, context):
    boto3.client("s3").put_object(Bucket=os.environ["BUCKET"], Key=f"{time.time_ns()}",
                                  Body=json.dumps(event).encode())
    if event.get("detail", event).get("fail"):
        raise RuntimeError("told to fail")
"""


def role(iam: Any, service: str, *actions: str) -> str:
    """A role that a service may assume and that may do some actions."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    policy = {"Effect": "Allow", "Action": [*actions, "sts:GetCallerIdentity"], "Resource": "*"}
    created = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
    )
    iam.put_role_policy(
        RoleName=name,
        PolicyName="actions",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [policy]}),
    )
    return str(created["Role"]["Arn"])


class Function:
    """A Lambda function that records what it is invoked with."""

    def __init__(self, client: Client, dead_letters: str) -> None:
        self._s3 = client("s3")
        self.bucket = f"test-{uuid.uuid4().hex[:8]}"
        self._s3.create_bucket(Bucket=self.bucket)
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("index.py", CODE)
        self.arn = client("lambda").create_function(
            FunctionName=self.bucket,
            Runtime="python3.13",
            Handler="index.handler",
            Role=role(client("iam"), "lambda.amazonaws.com", "s3:PutObject", "sqs:SendMessage"),
            Code={"ZipFile": archive.getvalue()},
            Environment={"Variables": {"BUCKET": self.bucket}},
            DeadLetterConfig={"TargetArn": dead_letters},
        )["FunctionArn"]
        client("lambda").put_function_event_invoke_config(
            FunctionName=self.bucket, MaximumRetryAttempts=1
        )
        client("lambda").add_permission(
            FunctionName=self.bucket,
            StatementId="rules",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
        )

    def invocations(self) -> list[dict[str, Any]]:
        keys = [o["Key"] for o in self._s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]
        return [
            json.loads(self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
            for key in sorted(keys)
        ]


@pytest.fixture
def function(client: Client, queue: Queue) -> Function:
    return Function(client, queue.arn)


@pytest.fixture
def rule(client: Client) -> Iterator[Callable[..., str]]:
    """rule(target): the source of events that reach the target."""
    events, made = client("events"), []

    def create(target: dict[str, Any]) -> str:
        name = f"test.{uuid.uuid4().hex[:8]}"
        made.append(name)
        events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
        events.put_targets(Rule=name, Targets=[{"Id": "t", **target}])
        return name

    yield create
    for name in made:
        events.remove_targets(Rule=name, Ids=["t"])
        events.delete_rule(Name=name)


def put(client: Client, source: str, detail: dict[str, Any]) -> None:
    entry = {"Source": source, "DetailType": "test", "Detail": json.dumps(detail)}
    assert client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0


def test_a_failing_function_is_retried_then_its_event_is_a_dead_letter(
    client: Client,
    function: Function,
    rule: Callable[..., str],
    queue: Queue,
    eventually: Eventually,
) -> None:
    put(client, rule({"Arn": function.arn}), {"fail": True, "id": 7})
    (letter,) = eventually(queue.take)
    assert letter["detail"]["id"] == 7
    assert len(function.invocations()) == 2


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ({"Input": '{"constant": 1}'}, {"constant": 1}),
        ({"InputPath": "$.detail.inner"}, {"value": 5}),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"v": "$.detail.inner.value"},
                    "InputTemplate": '{"got": <v>}',
                }
            },
            {"got": 5},
        ),
    ],
)
def test_a_target_gets_the_input_it_asked_for(
    shape: dict[str, Any],
    expected: dict[str, Any],
    client: Client,
    function: Function,
    rule: Callable[..., str],
    eventually: Eventually,
) -> None:
    put(client, rule({"Arn": function.arn, **shape}), {"inner": {"value": 5}})
    assert eventually(function.invocations) == [expected]


@pytest.mark.parametrize("arn", ["arn:aws:lambda:us-east-1:000000000000:function:absent", PIPELINE])
def test_an_event_for_a_target_that_is_gone_is_a_dead_letter(
    arn: str, client: Client, rule: Callable[..., str], queue: Queue, eventually: Eventually
) -> None:
    target: dict[str, Any] = {
        "Arn": arn,
        "DeadLetterConfig": {"Arn": queue.arn},
        "RetryPolicy": {"MaximumRetryAttempts": 0},
    }
    if arn == PIPELINE:
        target["RoleArn"] = role(client("iam"), "events.amazonaws.com", "sagemaker:*")
    queue.allow("events.amazonaws.com")
    put(client, rule(target), {"id": 8})
    (letter,) = eventually(queue.letters)
    assert letter["body"]["detail"]["id"] == 8
    assert (letter["ERROR_CODE"], letter["RETRY_ATTEMPTS"]) == ("NO_RESOURCE", "0")


def at_once(seconds: float = 0) -> str:
    return time.strftime("at(%Y-%m-%dT%H:%M:%S)", time.gmtime(time.time() + seconds))


def test_a_schedule_calls_any_operation_as_its_role(client: Client, eventually: Eventually) -> None:
    scheduler = client("scheduler")
    target = {
        "Arn": "arn:aws:scheduler:::aws-sdk:ssm:putParameter",
        "RoleArn": role(client("iam"), "scheduler.amazonaws.com", "ssm:PutParameter"),
        "Input": json.dumps({"Name": "/scheduled", "Value": "ran", "Type": "String"}),
    }
    scheduler.create_schedule(
        Name="writes",
        ScheduleExpression=at_once(),
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=target,
    )

    def written() -> bool:
        return bool(client("ssm").get_parameters(Names=["/scheduled"])["Parameters"])

    eventually(written)
    scheduler.delete_schedule(Name="writes")


def test_a_schedule_whose_role_may_not_leaves_a_dead_letter(
    client: Client, queue: Queue, eventually: Eventually
) -> None:
    scheduler = client("scheduler")
    target = {
        "Arn": "arn:aws:scheduler:::aws-sdk:ssm:putParameter",
        "RoleArn": role(
            client("iam"), "scheduler.amazonaws.com", "ssm:GetParameter", "sqs:SendMessage"
        ),
        "Input": json.dumps({"Name": "/refused", "Value": "ran", "Type": "String"}),
        "RetryPolicy": {"MaximumRetryAttempts": 0},
        "DeadLetterConfig": {"Arn": queue.arn},
    }
    scheduler.create_schedule(
        Name="refused",
        ScheduleExpression=at_once(),
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=target,
    )
    (letter,) = eventually(queue.letters)
    assert letter["body"] == {"Name": "/refused", "Value": "ran", "Type": "String"}
    assert letter["ERROR_CODE"] == "NO_PERMISSIONS"
    assert letter["SCHEDULE_ARN"].endswith(":schedule/default/refused")
    assert not client("ssm").get_parameters(Names=["/refused"])["Parameters"]
    scheduler.delete_schedule(Name="refused")


@pytest.fixture
def pipeline(client: Client) -> dict[str, str]:
    """A SageMaker pipeline that fails with its parameter as reason."""
    step = {
        "Name": "Stop",
        "Type": "Fail",
        "Arguments": {"ErrorMessage": {"Get": "Parameters.Reason"}},
    }
    parameter = {"Name": "Reason", "Type": "String", "DefaultValue": "default"}
    definition = {"Version": "2020-12-01", "Parameters": [parameter], "Steps": [step]}
    name = f"test-{uuid.uuid4().hex[:8]}"
    arn = client("sagemaker").create_pipeline(
        PipelineName=name,
        PipelineDefinition=json.dumps(definition),
        RoleArn=role(client("iam"), "sagemaker.amazonaws.com", "s3:GetObject"),
    )["PipelineArn"]
    return {"name": name, "arn": arn}


def reasons(client: Client, pipeline: dict[str, str]) -> list[str]:
    """The parameter of each execution of the pipeline."""
    sagemaker = client("sagemaker")
    executions = sagemaker.list_pipeline_executions(PipelineName=pipeline["name"])
    return [
        parameter["Value"]
        for execution in executions["PipelineExecutionSummaries"]
        for parameter in sagemaker.list_pipeline_parameters_for_execution(
            PipelineExecutionArn=execution["PipelineExecutionArn"]
        )["PipelineParameters"]
    ]


@pytest.mark.parametrize("universal", [False, True])
def test_a_schedule_starts_a_pipeline(
    universal: bool, client: Client, pipeline: dict[str, str], eventually: Eventually
) -> None:
    parameters = [{"Name": "Reason", "Value": "scheduled"}]
    target: dict[str, Any] = {
        "RoleArn": role(
            client("iam"), "scheduler.amazonaws.com", "sagemaker:StartPipelineExecution"
        )
    }
    if universal:
        target["Arn"] = "arn:aws:scheduler:::aws-sdk:sagemaker:startPipelineExecution"
        request = {
            "PipelineName": pipeline["name"],
            "PipelineParameters": parameters,
            "ClientRequestToken": uuid.uuid4().hex,
        }
        target["Input"] = json.dumps(request)
    else:
        target["Arn"] = pipeline["arn"]
        target["SageMakerPipelineParameters"] = {"PipelineParameterList": parameters}
    name = f"test-{uuid.uuid4().hex[:8]}"
    client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression=at_once(),
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=target,
        ActionAfterCompletion="DELETE",
    )
    assert eventually(lambda: reasons(client, pipeline)) == ["scheduled"]


def test_a_rule_starts_a_pipeline(
    client: Client, pipeline: dict[str, str], rule: Callable[..., str], eventually: Eventually
) -> None:
    target = {
        "Arn": pipeline["arn"],
        "RoleArn": role(client("iam"), "events.amazonaws.com", "sagemaker:StartPipelineExecution"),
        "SageMakerPipelineParameters": {
            "PipelineParameterList": [{"Name": "Reason", "Value": "by rule"}]
        },
    }
    put(client, rule(target), {})
    assert eventually(lambda: reasons(client, pipeline)) == ["by rule"]
