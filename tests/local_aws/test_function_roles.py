"""Lambda as a function's role: what is refused when the role may not."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.conftest import Queue
from tests.local_aws.events.test_delivery import role
from tests.local_aws.test_image_functions import IMAGE, image_config, invoke

Client = Callable[[str], Any]
Eventually = Callable[[Callable[[], Any]], Any]
LAMBDA = "lambda.amazonaws.com"
TAKE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
MISSING = "arn:aws:iam::000000000000:role/missing"


def create(client: Client, role_arn: str, by: Any = None, **changes: Any) -> str:
    name = f"test-{uuid.uuid4().hex[:8]}"
    answer = (by or client("lambda")).create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="index.handler",
        Role=role_arn,
        Code={"ZipFile": b"PK\x05\x06" + bytes(18)},
        **changes,
    )
    return str(answer["FunctionName"])


def may(client: Client, role_arn: str, *actions: str) -> None:
    """Have a role be allowed these actions and no others."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    client("iam").put_role_policy(
        RoleName=role_arn.rpartition("/")[2],
        PolicyName="actions",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


@pytest.fixture
def as_user(client: Client, session: Any, embedded_aws: Any) -> Callable[..., Any]:
    """as_user("lambda", statements): a client of a new user who is allowed these."""

    def make(service: str, *statements: dict[str, Any]) -> Any:
        iam, name = client("iam"), f"test-{uuid.uuid4().hex[:8]}"
        iam.create_user(UserName=name)
        policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return session.client(
            service,
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        )

    return make


def test_a_role_must_let_lambda_assume_it(
    client: Client, deploy: Callable[..., dict[str, str]]
) -> None:
    other = role(client("iam"), "ec2.amazonaws.com", "s3:GetObject")
    for bad in (MISSING, other):
        with pytest.raises(ClientError, match="cannot be assumed by Lambda") as refused:
            create(client, bad)
        assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
    name = create(client, role(client("iam"), LAMBDA, "s3:GetObject"))
    with pytest.raises(ClientError, match="cannot be assumed by Lambda"):
        client("lambda").update_function_configuration(FunctionName=name, Role=other)
    properties = {
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Role": other,
        "Code": {"ZipFile": "def handler(e, c): pass"},
    }
    stack = f"test-{uuid.uuid4().hex[:8]}"
    with pytest.raises(Exception, match="Waiter"):
        deploy({"F": {"Type": "AWS::Lambda::Function", "Properties": properties}}, name=stack)
    told = client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
    assert any("be assumed by Lambda" in e.get("ResourceStatusReason", "") for e in told)


@pytest.mark.parametrize("to", ["lambda.amazonaws.com", "events.amazonaws.com", None])
def test_a_role_is_passed_to_lambda_only_by_who_may(
    to: str | None, client: Client, as_user: Callable[..., Any]
) -> None:
    arn = role(client("iam"), LAMBDA, "s3:GetObject")
    statements: list[dict[str, Any]] = [{"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}]
    if to is not None:
        condition = {"StringEquals": {"iam:PassedToService": to}}
        statements.append(
            {"Effect": "Allow", "Action": "iam:PassRole", "Resource": arn, "Condition": condition}
        )
    user = as_user("lambda", *statements)
    if to == LAMBDA:
        assert create(client, arn, user)
        return
    with pytest.raises(ClientError, match="not authorized to perform: iam:PassRole") as refused:
        create(client, arn, user)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


def test_a_function_whose_role_trusts_it_no_more_does_not_run(client: Client) -> None:
    arn = role(client("iam"), LAMBDA, "s3:GetObject")
    name = create(client, arn)
    client("lambda").get_waiter("function_active_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.1}
    )
    statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}
    policy = json.dumps({"Statement": [{**statement, "Action": "sts:AssumeRole"}]})
    client("iam").update_assume_role_policy(RoleName=arn.rpartition("/")[2], PolicyDocument=policy)
    answer = invoke(client, name, {})
    assert "cannot be assumed by Lambda" in answer["payload"]["errorMessage"]


def test_a_role_without_leave_has_no_log(client: Client, eventually: Eventually) -> None:
    arn = role(client("iam"), LAMBDA, "s3:GetObject")
    name = create(client, arn)
    client("lambda").get_waiter("function_active_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.1}
    )

    def groups() -> list[Any]:
        found = client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")
        return list(found["logGroups"])

    may(client, arn, "logs:CreateLogStream", "logs:PutLogEvents")
    invoke(client, name, {})
    assert groups() == []
    may(client, arn, "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
    invoke(client, name, {})
    eventually(groups)


@pytest.mark.parametrize("missing", TAKE)
def test_a_mapping_needs_the_roles_leave_to_take(
    missing: str, client: Client, queue: Queue
) -> None:
    arn = role(client("iam"), LAMBDA, *(action for action in TAKE if action != missing))
    name = create(client, arn)
    called = missing.partition(":")[2]
    with pytest.raises(ClientError, match=f"permissions to call {called} on SQS") as refused:
        client("lambda").create_event_source_mapping(EventSourceArn=queue.arn, FunctionName=name)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"


def test_a_mapping_is_not_polled_when_the_role_may_no_more(
    client: Client, queue: Queue, eventually: Eventually
) -> None:
    insecure = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": queue.arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [insecure]})
    client("sqs").set_queue_attributes(QueueUrl=queue.url, Attributes={"Policy": policy})
    arn = role(client("iam"), LAMBDA, *TAKE)
    name = create(client, arn)
    client("lambda").get_waiter("function_active_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.1}
    )
    client("sqs").send_message(QueueUrl=queue.url, MessageBody='{"taken": 1}')
    described = client("lambda").get_event_source_mapping
    made = client("lambda").create_event_source_mapping(EventSourceArn=queue.arn, FunctionName=name)

    def result() -> str:
        return str(described(UUID=made["UUID"])["LastProcessingResult"])

    eventually(lambda: result() == "FAILED")  # it was invoked, and has no handler
    may(client, arn, "sqs:GetQueueAttributes")
    eventually(lambda: "may not call ReceiveMessage" in result())
    client("sqs").send_message(QueueUrl=queue.url, MessageBody='{"kept": 1}')
    assert eventually(queue.take) == [{"kept": 1}]
    client("lambda").delete_event_source_mapping(UUID=made["UUID"])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("arn:aws:sqs:us-east-1:000000000000:absent", "NonExistentQueue"),
        ("arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/s", "does not support the event"),
        (None, "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(
    source: str | None, message: str, client: Client, queue: Queue
) -> None:
    name = create(client, role(client("iam"), LAMBDA, *TAKE), Timeout=31)
    with pytest.raises(ClientError, match=message):
        client("lambda").create_event_source_mapping(
            EventSourceArn=source or queue.arn, FunctionName=name
        )


def test_dead_letters_and_destinations_need_the_roles_leave(
    client: Client, queue: Queue, eventually: Eventually
) -> None:
    arn = role(client("iam"), LAMBDA, "s3:GetObject")
    call = r"permissions to call SendMessage on"
    with pytest.raises(ClientError, match=f"{call} SQS"):
        create(client, arn, DeadLetterConfig={"TargetArn": queue.arn})
    name = create(client, arn)
    with pytest.raises(ClientError, match=f"{call} SQS"):
        client("lambda").update_function_configuration(
            FunctionName=name, DeadLetterConfig={"TargetArn": queue.arn}
        )
    configure = client("lambda").put_function_event_invoke_config
    wanted = {
        "FunctionName": name,
        "MaximumRetryAttempts": 0,
        "DestinationConfig": {"OnFailure": {"Destination": queue.arn}},
    }
    with pytest.raises(ClientError, match=f"{call} {queue.arn}"):
        configure(**wanted)
    may(client, arn, "sqs:SendMessage")
    configure(**wanted)
    client("lambda").get_waiter("function_active_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.1}
    )
    client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=b'{"id": 1}')
    (record,) = eventually(queue.take)
    assert record["requestPayload"] == {"id": 1}
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["requestContext"]["functionArn"].endswith(f":{name}:$LATEST")


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (["lambda:*", "iam:PassRole"], "Your access has been denied by ECR"),
        (
            ["lambda:*", "iam:PassRole", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            "Lambda does not have permission to access the ECR image",
        ),
    ],
)
def test_an_image_is_pulled_by_lambda_and_by_who_makes_the_function(
    actions: list[str], message: str, client: Client, as_user: Callable[..., Any]
) -> None:
    repository = f"fraudloop-{uuid.uuid4().hex[:8]}"
    image = IMAGE.replace("fraudloop-local", repository)
    arn = role(client("iam"), LAMBDA, "s3:GetObject")
    user = as_user("lambda", {"Effect": "Allow", "Action": actions, "Resource": "*"})
    request = {
        "FunctionName": repository,
        "PackageType": "Image",
        "Code": {"ImageUri": image},
        "ImageConfig": image_config(),
        "Role": arn,
    }
    with pytest.raises(ClientError, match="does not support the image"):
        user.create_function(**request)
    client("ecr").create_repository(repositoryName=repository)
    with pytest.raises(ClientError, match=message):
        user.create_function(**request)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": LAMBDA},
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        "Condition": {
            "ArnLike": {"aws:SourceArn": "arn:aws:lambda:us-east-1:000000000000:function:other"}
        },
    }

    def let(condition: str) -> None:
        statement["Condition"] = {"ArnLike": {"aws:SourceArn": condition}}
        client("ecr").set_repository_policy(
            repositoryName=repository, policyText=json.dumps({"Statement": [statement]})
        )

    let("arn:aws:lambda:us-east-1:000000000000:function:other")
    with pytest.raises(ClientError, match=message):
        user.create_function(**request)
    let("arn:aws:lambda:us-east-1:000000000000:function:*")
    if "ecr:BatchGetImage" in actions:
        assert user.create_function(**request)["FunctionName"] == repository


@pytest.mark.parametrize(
    ("configuration", "call"),
    [
        ({"VpcConfig": {"SubnetIds": ["subnet-1"]}}, "CreateNetworkInterface on EC2"),
        ({"TracingConfig": {"Mode": "Active"}}, "PutTraceSegments on XRAY"),
    ],
)
def test_what_a_function_is_given_needs_its_roles_leave(
    configuration: dict[str, Any], call: str, client: Client
) -> None:
    arn = role(client("iam"), LAMBDA, "s3:GetObject")
    with pytest.raises(ClientError, match=f"does not have permissions to call {call}"):
        create(client, arn, **configuration)


def test_a_network_takes_all_that_lambdas_policy_for_it_has(client: Client) -> None:
    """AWSLambdaVPCAccessExecutionRole, version 3."""
    some = ("CreateNetworkInterface", "DescribeNetworkInterfaces", "DeleteNetworkInterface")
    arn = role(client("iam"), LAMBDA, *(f"ec2:{name}" for name in some))
    with pytest.raises(ClientError, match="permissions to call DescribeSubnets on EC2"):
        create(client, arn, VpcConfig={"SubnetIds": ["subnet-1"]})


def test_code_in_s3_is_read_as_who_makes_the_function(
    client: Client, as_user: Callable[..., Any]
) -> None:
    bucket, arn = f"test-{uuid.uuid4().hex[:8]}", role(client("iam"), LAMBDA, "s3:GetObject")
    client("s3").create_bucket(Bucket=bucket)
    client("s3").put_object(Bucket=bucket, Key="code.zip", Body=b"PK\x05\x06" + bytes(18))
    user = as_user(
        "lambda", {"Effect": "Allow", "Action": ["lambda:*", "iam:PassRole"], "Resource": "*"}
    )
    request = {
        "FunctionName": bucket,
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Role": arn,
        "Code": {"S3Bucket": bucket, "S3Key": "code.zip"},
    }
    with pytest.raises(ClientError, match="Your access has been denied by S3"):
        user.create_function(**request)
    absent = {**request, "Code": {"S3Bucket": bucket, "S3Key": "absent.zip"}}
    with pytest.raises(ClientError, match="S3 Error Code: NoSuchKey"):
        client("lambda").create_function(**absent)
    client("lambda").create_function(**request)
