"""One embedded AWS for all tests of this folder, and clients of it."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from local_aws.server import EmbeddedAws, free_port
from tests.local_aws.images import make_repositories
from tests.local_aws.known import known_account


def allow_sending(sqs: Any, url: str, service: str, **conditions: Any) -> None:
    """Let a service send to a queue."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sqs:SendMessage",
        "Resource": "*",
        **({"Condition": conditions} if conditions else {}),
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


class Queue:
    """What arrives at a queue, taken off it."""

    def __init__(self, sqs: Any, name: str) -> None:
        self._sqs = sqs
        self.url = sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        self.arn = attributes["Attributes"]["QueueArn"]

    def allow(self, service: str, **conditions: Any) -> None:
        """Let a service send to the queue."""
        allow_sending(self._sqs, self.url, service, **conditions)

    def letters(self) -> list[dict[str, Any]]:
        """The messages there are now, their string attributes beside the parsed `body`."""
        received = self._sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        return [
            {
                "body": json.loads(message["Body"]),
                **{k: v["StringValue"] for k, v in message.get("MessageAttributes", {}).items()},
            }
            for message in received.get("Messages", [])
        ]

    def take(self) -> list[dict[str, Any]]:
        """The messages there are now, parsed."""
        received = self._sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
        messages = received.get("Messages", [])
        for message in messages:
            self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]


@pytest.fixture(scope="session", autouse=True)
def journals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Functions may write into the tests' folders, to tell what they were invoked with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAUDLOOP_SHARED_FOLDERS", str(tmp_path_factory.getbasetemp()))
        yield


@pytest.fixture(scope="session")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with EmbeddedAws(tmp_path_factory.mktemp("embedded") / "state", free_port()) as aws:
        make_repositories(aws.session().client)
        yield aws


@pytest.fixture(scope="session")
def session(embedded_aws: EmbeddedAws) -> boto3.Session:
    return embedded_aws.session()


@pytest.fixture(scope="session")
def client(session: boto3.Session) -> Callable[[str], Any]:
    """client("s3"): a boto3 client of the embedded AWS."""
    clients: dict[str, Any] = {}

    def of(service: str) -> Any:
        if service not in clients:
            clients[service] = session.client(service)
        return clients[service]

    return of


@pytest.fixture(scope="session")
def known(session: boto3.Session) -> Callable[[str], Any]:
    """Clients that check nothing, of an account with a rule, a queue, a bucket, a role, ..."""
    return known_account(session)


@pytest.fixture
def deploy(client: Callable[[str], Any]) -> Iterator[Callable[..., dict[str, str]]]:
    """deploy(resources, outputs): the outputs of a stack that is deleted after the test."""
    stacks: list[str] = []

    def deployed(
        resources: dict[str, Any],
        outputs: dict[str, Any] | None = None,
        *,
        name: str | None = None,
        **template: Any,
    ) -> dict[str, str]:
        cloudformation = client("cloudformation")
        stack = f"test-{uuid.uuid4().hex[:8]}" if name is None else name
        body = json.dumps(
            {
                "Resources": resources,
                "Outputs": {key: {"Value": value} for key, value in (outputs or {}).items()},
                **template,
            }
        )
        arguments = {
            "StackName": stack,
            "TemplateBody": body,
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
        }
        kind = "update" if stack in stacks else "create"
        getattr(cloudformation, f"{kind}_stack")(**arguments)
        if kind == "create":
            stacks.append(stack)
        waiter = cloudformation.get_waiter(f"stack_{kind}_complete")
        waiter.wait(StackName=stack, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300})
        described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        return {o["OutputKey"]: o["OutputValue"] for o in described.get("Outputs", [])}

    yield deployed
    for stack in reversed(stacks):
        client("cloudformation").delete_stack(StackName=stack)


@pytest.fixture(scope="session")
def eventually() -> Callable[..., Any]:
    """eventually(function): its first true answer; fails after 20 seconds without one."""

    def wait(function: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            answer = function()
            if answer:
                return answer
            time.sleep(0.05)
        raise AssertionError(f"{function} never answered true")

    return wait


@pytest.fixture
def queue(client: Callable[[str], Any]) -> Queue:
    """A new SQS queue."""
    return Queue(client("sqs"), f"test-{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="module")
def somebody(session: boto3.Session) -> Callable[..., Callable[[str], Any]]:
    """somebody(statement, ...): clients of a user who may do this and nothing else."""
    iam = session.client("iam")

    def made(*statements: tuple[str | list[str], str | list[str]]) -> Callable[[str], Any]:
        name = f"user-{uuid.uuid4().hex[:8]}"
        iam.create_user(UserName=name)
        document = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": action, "Resource": resource}
                for action, resource in statements
            ],
        }
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(document))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        own = boto3.Session(
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
            region_name="us-east-1",
        )
        return lambda service: own.client(service, endpoint_url=iam.meta.endpoint_url)

    return made
