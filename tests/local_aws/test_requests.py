"""Every resource and role that a request names is authorized, for whoever makes it."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

Client = Callable[[str], Any]


PLACE = "us-east-1:000000000000"


ALARMS = f"arn:aws:cloudwatch:{PLACE}:alarm"


TABLES = [f"arn:aws:glue:{PLACE}:{end}" for end in ("catalog", "database/d", "table/d/mine")]


BATCHES: list[tuple[str, str, dict[str, Any], dict[str, Any], str | list[str]]] = [
    (
        "ssm:GetParameters",
        "get_parameters",
        {"Names": ["/mine/a"]},
        {"Names": ["/mine/a", "/other"]},
        f"arn:aws:ssm:{PLACE}:parameter/mine/*",
    ),
    (
        "ssm:DeleteParameters",
        "delete_parameters",
        {"Names": ["/mine/a"]},
        {"Names": ["/mine/a", "/other"]},
        f"arn:aws:ssm:{PLACE}:parameter/mine/*",
    ),
    (
        "cloudwatch:DescribeAlarms",
        "describe_alarms",
        {"AlarmNames": ["mine"]},
        {"AlarmNames": ["mine", "other"]},
        f"{ALARMS}:mine",
    ),
    (
        "cloudwatch:DeleteAlarms",
        "delete_alarms",
        {"AlarmNames": ["mine"]},
        {"AlarmNames": ["mine", "other"]},
        f"{ALARMS}:mine",
    ),
    (
        "events:PutEvents",
        "put_events",
        {"Entries": [{"Source": "a", "DetailType": "b", "Detail": "{}"}]},
        {
            "Entries": [
                {"Source": "a", "DetailType": "b", "Detail": "{}"},
                {"Source": "a", "DetailType": "b", "Detail": "{}", "EventBusName": "other"},
            ]
        },
        f"arn:aws:events:{PLACE}:event-bus/default",
    ),
    (
        "glue:BatchDeleteTable",
        "batch_delete_table",
        {"DatabaseName": "d", "TablesToDelete": ["mine"]},
        {"DatabaseName": "d", "TablesToDelete": ["mine", "other"]},
        TABLES,
    ),
    (
        "ecr:DescribeRepositories",
        "describe_repositories",
        {"repositoryNames": ["mine"]},
        {"repositoryNames": ["mine", "other"]},
        f"arn:aws:ecr:{PLACE}:repository/mine",
    ),
    (
        "codebuild:BatchGetProjects",
        "batch_get_projects",
        {"names": ["mine"]},
        {"names": ["mine", "other"]},
        f"arn:aws:codebuild:{PLACE}:project/mine",
    ),
]


@pytest.mark.parametrize(("action", "method", "own", "wider", "resources"), BATCHES)
def test_each_resource_of_a_batch_is_authorized(
    somebody: Callable[..., Client],
    action: str,
    method: str,
    own: dict[str, Any],
    wider: dict[str, Any],
    resources: str | list[str],
) -> None:
    client = somebody((action, resources))(action.partition(":")[0])
    try:
        getattr(client, method)(**own)
    except ClientError as error:  # there is none of that name; but one may ask
        assert "not authorized" not in str(error)
    with pytest.raises(ClientError, match=r"not authorized to perform: .* on resource: .*other"):
        getattr(client, method)(**wider)


GROUP = "/aws/sagemaker/ProcessingJobs"


EVENTS = [{"timestamp": int(time.time() * 1000), "message": "a"}]


@pytest.mark.parametrize(
    ("action", "arguments", "stream"),
    [
        ("CreateLogGroup", {}, ""),
        ("DescribeLogStreams", {}, ""),
        ("CreateLogStream", {"logStreamName": "job/1"}, "job/1"),
        ("PutLogEvents", {"logStreamName": "job/1", "logEvents": EVENTS}, "job/1"),
    ],
)
def test_logs_ask_about_a_stream_even_where_none_is_named(
    somebody: Callable[..., Client], action: str, arguments: dict[str, Any], stream: str
) -> None:
    """As the denials of sagemaker-python-sdk #2253 and terraform-aws-eks-blueprints #1454 say."""
    group = f"arn:aws:logs:{PLACE}:log-group:{GROUP}"

    def ask(resource: str) -> None:
        logs = somebody((f"logs:{action}", resource))("logs")
        logs._make_api_call(action, {"logGroupName": GROUP, **arguments})

    with pytest.raises(ClientError) as refused:
        ask(group)
    told = f"not authorized to perform: logs:{action} on resource: {group}:log-stream:{stream} "
    assert told in str(refused.value)
    try:
        ask(f"{group}:*")
    except ClientError as error:
        assert "not authorized" not in str(error)


@pytest.mark.parametrize(
    ("action", "service", "method", "arguments"),
    [
        (
            "scheduler:CreateSchedule",
            "scheduler",
            "create_schedule",
            {
                "Name": "s",
                "ScheduleExpression": "rate(1 hour)",
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "Target": {"Arn": f"arn:aws:sqs:{PLACE}:q", "RoleArn": "ROLE"},
            },
        ),
        (
            "lambda:CreateFunction",
            "lambda",
            "create_function",
            {
                "FunctionName": "f",
                "Runtime": "python3.11",
                "Handler": "a.b",
                "Role": "ROLE",
                "Code": {"ZipFile": b"x"},
            },
        ),
        (
            "codebuild:CreateProject",
            "codebuild",
            "create_project",
            {
                "name": "project",
                "source": {"type": "NO_SOURCE", "buildspec": "{}"},
                "artifacts": {"type": "NO_ARTIFACTS"},
                "environment": {
                    "type": "LINUX_CONTAINER",
                    "image": "image",
                    "computeType": "BUILD_GENERAL1_SMALL",
                },
                "serviceRole": "ROLE",
            },
        ),
        (
            "events:PutTargets",
            "events",
            "put_targets",
            {
                "Rule": "r",
                "Targets": [{"Id": "1", "Arn": f"arn:aws:sqs:{PLACE}:q", "RoleArn": "ROLE"}],
            },
        ),
    ],
)
def test_a_role_must_be_passed(
    somebody: Callable[..., Client],
    action: str,
    service: str,
    method: str,
    arguments: dict[str, Any],
) -> None:
    role = "arn:aws:iam::000000000000:role/any"
    given = json.loads(json.dumps(arguments, default=str).replace("ROLE", role))
    if "Code" in given:
        given["Code"] = arguments["Code"]
    client = somebody((action, "*"))(service)
    with pytest.raises(ClientError, match=f"iam:PassRole on resource: {role}"):
        getattr(client, method)(**given)


@pytest.mark.parametrize(
    ("effect", "named", "may"),
    [
        (None, "user", True),  # the trust policy alone is leave enough
        (None, "account", False),
        ("Allow", "account", True),
        ("Deny", "user", False),
        ("Allow", "other", False),
    ],
)
def test_who_a_role_trusts_by_name_needs_no_leave(
    session: boto3.Session, client: Client, effect: str | None, named: str, may: bool
) -> None:
    iam, name = client("iam"), f"user-{uuid.uuid4().hex[:8]}"
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    other = iam.create_user(UserName=f"{name}-other")["User"]["Arn"]
    if effect is not None:
        statement = {"Effect": effect, "Action": "sts:AssumeRole", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
    principal = {"user": arn, "account": "000000000000", "other": other}[named]
    trust = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    key = iam.create_access_key(UserName=name)["AccessKey"]
    sts = session.client(
        "sts",
        endpoint_url=iam.meta.endpoint_url,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    if may:
        assert sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    else:
        with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole"):
            sts.assume_role(RoleArn=role, RoleSessionName="test")


@pytest.mark.parametrize("missing", ["glue:GetTable", "s3:GetObject", "s3:ListBucket"])
def test_a_query_reads_and_writes_as_who_starts_it(
    somebody: Callable[..., Client], client: Client, missing: str
) -> None:
    name = f"query-{uuid.uuid4().hex[:8]}"
    client("s3").create_bucket(Bucket=name)
    client("s3").put_object(Bucket=name, Key="data/a.json", Body=b'{"a": 1}\n')
    database = name.replace("-", "_")
    client("glue").create_database(DatabaseInput={"Name": database})
    table = {
        "Name": "t",
        "StorageDescriptor": {
            "Columns": [{"Name": "a", "Type": "int"}],
            "Location": f"s3://{name}/data/",
            "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
        },
    }
    client("glue").create_table(DatabaseName=database, TableInput=table)
    client("athena").create_work_group(Name=name)
    rights = {"glue:GetDatabase", "glue:GetTable", "s3:GetObject", "s3:ListBucket", "s3:PutObject"}

    def state(*allowed: str) -> tuple[str, str]:
        athena = somebody((["athena:*", *allowed], "*"))("athena")
        query = athena.start_query_execution(
            QueryString=f"select a from {database}.t",  # noqa: S608
            WorkGroup=name,
            ResultConfiguration={"OutputLocation": f"s3://{name}/results/"},
        )["QueryExecutionId"]
        while True:
            found = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
            if found["State"] not in ("QUEUED", "RUNNING"):
                return found["State"], found.get("StateChangeReason", "")
            time.sleep(0.05)

    assert state(*rights) == ("SUCCEEDED", "")
    ended, reason = state(*(rights - {missing}))
    assert ended == "FAILED"
    assert missing in reason


def test_a_parameter_in_two_places_is_none(client: Client) -> None:
    """Who decides would read the one, and who acts the other."""
    sts = client("sts")

    def twice(request: Any, **_more: Any) -> None:
        request.url += "?Action=GetCallerIdentity&Version=2011-06-15"

    sts.meta.events.register("before-sign.sts.AssumeRole", twice)
    try:
        with pytest.raises(ClientError, match="not supported by the embedded AWS"):
            sts.assume_role(RoleArn="arn:aws:iam::000000000000:role/any", RoleSessionName="test")
    finally:
        sts.meta.events.unregister("before-sign.sts.AssumeRole", twice)


def test_a_definition_in_s3_is_read_as_who_makes_the_pipeline(
    somebody: Callable[..., Client], client: Client
) -> None:
    bucket, iam = f"test-{uuid.uuid4().hex[:8]}", client("iam")
    client("s3").create_bucket(Bucket=bucket)
    definition = {
        "Version": "2020-12-01",
        "Steps": [{"Name": "F", "Type": "Fail", "Arguments": {"ErrorMessage": "no"}}],
    }
    client("s3").put_object(Bucket=bucket, Key="definition", Body=json.dumps(definition).encode())
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    role = iam.create_role(
        RoleName=bucket, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
    )["Role"]["Arn"]
    wanted = {
        "PipelineName": bucket,
        "PipelineDefinitionS3Location": {"Bucket": bucket, "ObjectKey": "definition"},
        "RoleArn": role,
    }
    may = (["sagemaker:CreatePipeline", "iam:PassRole"], "*")
    with pytest.raises(ClientError, match=f"s3:GetObject on resource: arn:aws:s3:::{bucket}/"):
        somebody(may)("sagemaker").create_pipeline(**wanted)
    allowed = somebody(may, ("s3:GetObject", f"arn:aws:s3:::{bucket}/definition"))
    assert allowed("sagemaker").create_pipeline(**wanted)["PipelineArn"]
    client("sagemaker").delete_pipeline(PipelineName=bucket)
