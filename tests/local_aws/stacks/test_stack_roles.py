"""A stack operation may do what its role may, and a caller passes the roles that they may pass."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, WaiterError

Client = Callable[[str], Any]
ACCOUNT = "000000000000"
DASHBOARDS = f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/"
TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": "cloudformation.amazonaws.com"},
    "Action": "sts:AssumeRole",
}


def allow(actions: str | list[str], resources: str, **condition: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources} | (
        {"Condition": condition} if condition else {}
    )


def document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def template(*names: str, **more: Any) -> dict[str, Any]:
    """Dashboards of these names, and other resources."""
    boards = {
        name.replace("-", "").capitalize(): {
            "Type": "AWS::CloudWatch::Dashboard",
            "Properties": {"DashboardName": name, "DashboardBody": '{"widgets": []}'},
        }
        for name in names
    }
    return {"Resources": boards | more}


ROLE_OF_ONES_OWN = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "AssumeRolePolicyDocument": {"Statement": [TRUST]},
        "ManagedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"],
    },
}


class World:
    """A stack of an administrator's, a role that may make some dashboards, and a function's."""

    def __init__(self, session: boto3.Session, client: Client) -> None:
        self.session, self.name = session, f"test-{uuid.uuid4().hex[:8]}"
        self.iam, self.cloudformation = client("iam"), client("cloudformation")
        self.narrow = self.role(allow("cloudwatch:*", f"{DASHBOARDS}{self.name}-*"))
        self.administrator = self.role(allow("*", "*"))
        self.unfit = self.role(allow("*", "*"), trusts="lambda.amazonaws.com")
        self.stack = f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/{self.name}/*"

    def role(self, *statements: Any, trusts: str = "cloudformation.amazonaws.com") -> str:
        name = f"role-{uuid.uuid4().hex[:8]}"
        trust = TRUST | {
            "Principal": {"Service": trusts, "AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        }
        role = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))
        self.iam.put_role_policy(
            RoleName=name, PolicyName="own", PolicyDocument=document(*statements)
        )
        return str(role["Role"]["Arn"])

    def caller(self, *statements: Any) -> Any:
        """CloudFormation for somebody who may do this only."""
        sts = self.session.client("sts")
        found = sts.assume_role(RoleArn=self.role(*statements), RoleSessionName="test")
        keys = found["Credentials"]
        return boto3.client(
            "cloudformation",
            region_name="us-east-1",
            endpoint_url=sts.meta.endpoint_url,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )

    def create(self) -> None:
        self.cloudformation.create_stack(StackName=self.name, **body(template(self.board("a"))))
        self.wait("create")

    def has(self) -> str | None:
        """The role that the stack has."""
        (stack,) = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        return stack.get("RoleARN")

    def board(self, name: str) -> str:
        return f"{self.name}-{name}"

    def wait(self, kind: str) -> None:
        waiter = self.cloudformation.get_waiter(f"stack_{kind}_complete")
        waiter.wait(StackName=self.name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})

    def reasons(self) -> str:
        events = self.cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        return " ".join(event.get("ResourceStatusReason", "") for event in events)


def body(document_: dict[str, Any]) -> dict[str, Any]:
    return {"TemplateBody": json.dumps(document_), "Capabilities": ["CAPABILITY_NAMED_IAM"]}


@pytest.fixture
def world(session: boto3.Session, client: Client) -> Iterator[World]:
    world = World(session, client)
    world.create()
    yield world
    world.cloudformation.delete_stack(StackName=world.name, RoleARN=world.administrator)


def test_an_update_does_what_its_role_may(world: World) -> None:
    new = template(world.board("a"), world.board("b"))
    world.cloudformation.update_stack(StackName=world.name, RoleARN=world.narrow, **body(new))
    world.wait("update")


@pytest.mark.parametrize(
    ("more", "action"),
    [
        ({"Own": ROLE_OF_ONES_OWN}, "iam:AttachRolePolicy on resource: *"),
        (template("foreign")["Resources"], f"on resource: {DASHBOARDS}foreign"),
    ],
    ids=["a role", "a resource of another name"],
)
def test_an_update_beyond_its_role_rolls_back(
    world: World, more: dict[str, Any], action: str
) -> None:
    new = template(world.board("a"), world.board("b"), **more)
    world.cloudformation.update_stack(StackName=world.name, RoleARN=world.narrow, **body(new))
    with pytest.raises(WaiterError):
        world.wait("update")
    name = world.narrow.rpartition("/")[2]
    said = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/AWSCloudFormation is not authorized to"
    assert said in world.reasons()
    assert action in world.reasons()
    (stack,) = world.cloudformation.describe_stacks(StackName=world.name)["Stacks"]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"


def test_a_stack_keeps_the_role_that_it_was_given_last(world: World) -> None:
    """The API reference: "uses the role that was previously associated with the stack"."""
    update, stack = world.cloudformation.update_stack, world.name
    update(StackName=stack, RoleARN=world.narrow, **body(template(world.board("b"))))
    world.wait("update")
    grown = body(template(world.board("b"), Own=ROLE_OF_ONES_OWN))
    update(StackName=stack, **grown)
    with pytest.raises(WaiterError):
        world.wait("update")
    assert "is not authorized to perform: iam:" in world.reasons()
    change = world.cloudformation.create_change_set(
        StackName=stack, ChangeSetName="c", RoleARN=world.administrator, **grown
    )["Id"]
    assert world.has() == world.narrow
    world.cloudformation.execute_change_set(ChangeSetName=change)
    world.wait("update")
    assert world.has() == world.administrator
    update(StackName=stack, **body(template(world.board("c"))))
    world.wait("update")


def test_without_a_role_it_acts_as_the_caller(world: World) -> None:
    caller = world.caller(
        allow("cloudformation:UpdateStack", world.stack), allow("cloudwatch:*", DASHBOARDS)
    )
    caller.update_stack(StackName=world.name, **body(template(world.board("b"))))
    with pytest.raises(WaiterError):
        world.wait("update")
    assert "is not authorized to perform: cloudwatch:" in world.reasons()


def test_a_role_must_be_passed_and_be_cloudformations(world: World) -> None:
    may_update = allow("cloudformation:UpdateStack", world.stack)
    wanted = {"StackName": world.name, **body(template(world.board("b")))}
    with pytest.raises(ClientError, match=f"iam:PassRole on resource: {world.narrow}"):
        world.caller(may_update).update_stack(RoleARN=world.narrow, **wanted)
    to_another = allow(
        "iam:PassRole", "*", StringEquals={"iam:PassedToService": "lambda.amazonaws.com"}
    )
    with pytest.raises(ClientError, match="iam:PassRole"):
        world.caller(may_update, to_another).update_stack(RoleARN=world.narrow, **wanted)
    with pytest.raises(ClientError, match=f"{world.unfit} is invalid or cannot be assumed"):
        world.cloudformation.update_stack(RoleARN=world.unfit, **wanted)


@pytest.mark.parametrize("refused", ["no role", "another role", "a template by URL", "types"])
def test_policies_can_tell_requests_apart(world: World, refused: str) -> None:
    conditions = {
        "ArnEquals": {"cloudformation:RoleArn": world.narrow},
        "Null": {"cloudformation:TemplateUrl": "true"},
        "ForAllValues:StringEquals": {
            "cloudformation:ResourceTypes": ["AWS::CloudWatch::Dashboard"]
        },
    }
    caller = world.caller(
        allow("cloudformation:UpdateStack", world.stack, **conditions), allow("iam:PassRole", "*")
    )
    good = {"RoleARN": world.narrow, **body(template(world.board("b")))}
    changes: dict[str, dict[str, Any]] = {
        "no role": {"RoleARN": None},
        "another role": {"RoleARN": world.administrator},
        "a template by URL": {"TemplateBody": None, "TemplateURL": "https://s3.test/a/b"},
        "types": {"ResourceTypes": ["AWS::IAM::Role"]},
    }
    changed = good | changes[refused]
    request = {key: value for key, value in changed.items() if value is not None}
    with pytest.raises(ClientError, match="not authorized to perform: cloudformation:UpdateStack"):
        caller.update_stack(StackName=world.name, **request)
    caller.update_stack(StackName=world.name, **good)
    world.wait("update")


def test_parameters_are_read_by_the_role(world: World, client: Client) -> None:
    name = f"/{world.name}/value"
    client("ssm").put_parameter(Name=name, Value="1", Type="String")
    new = template(world.board("b")) | {
        "Parameters": {"Value": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": name}}
    }
    with pytest.raises(ClientError, match="doesn't have permission to call ssm:GetParameters"):
        world.cloudformation.update_stack(StackName=world.name, RoleARN=world.narrow, **body(new))
