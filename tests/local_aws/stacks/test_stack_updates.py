import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from local_aws.stacks.updates import refusal

Client = Callable[[str], Any]

POLICY = {
    "Statement": [
        {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
        {
            "Effect": "Deny",
            "Action": ["Update:Replace", "Update:Delete"],
            "Principal": "*",
            "Resource": "*",
            "Condition": {"StringEquals": {"ResourceType": ["AWS::SQS::Queue"]}},
        },
    ]
}


@pytest.mark.parametrize(
    ("action", "resource_type", "refused"),
    [
        ("Update:Modify", "AWS::SQS::Queue", False),
        ("Update:Replace", "AWS::SQS::Queue", True),
        ("Update:Delete", "AWS::SQS::Queue", True),
        ("Update:Delete", "AWS::SNS::Topic", False),
    ],
)
def test_a_deny_wins(action: str, resource_type: str, refused: bool) -> None:
    reason = refusal(json.dumps(POLICY), action, "Endpoint", resource_type)
    assert (reason is not None) is refused
    if reason is not None:
        assert "Statement [#2]" in reason
        assert f"[{action}]" in reason
        assert "LogicalResourceId/Endpoint" in reason


@pytest.mark.parametrize(
    ("element", "logical_id", "refused"),
    [
        ({"Resource": "LogicalResourceId/Safe*"}, "SafeQueue", False),
        ({"Resource": "LogicalResourceId/Safe*"}, "Endpoint", True),
        ({"NotResource": "LogicalResourceId/Safe*"}, "Endpoint", False),
        ({"NotResource": "LogicalResourceId/Safe*"}, "SafeQueue", True),
    ],
)
def test_what_no_statement_allows_is_denied(
    element: dict[str, str], logical_id: str, refused: bool
) -> None:
    statement = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", **element}
    policy = json.dumps({"Statement": statement})
    assert (refusal(policy, "Update:Modify", logical_id, "AWS::SQS::Queue") is not None) is refused


class Stack:
    """A stack whose queue exists while its SSM parameter is not `none`."""

    TEMPLATE: dict[str, Any] = {  # noqa: RUF012 - never changed
        "Parameters": {
            "Model": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/model"},
            "Name": {"Type": "String", "Default": "first"},
        },
        "Conditions": {"Serving": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Model"}, "none"]}]}},
        "Resources": {
            "Topic": {"Type": "AWS::SNS::Topic"},
            "Queue": {
                "Type": "AWS::SQS::Queue",
                "Condition": "Serving",
                "Properties": {"QueueName": {"Fn::Sub": "${Name}-${AWS::StackName}"}},
            },
        },
        "Outputs": {"Model": {"Value": {"Ref": "Model"}}},
    }

    def __init__(self, client: Client) -> None:
        self._ssm, self._cloudformation = client("ssm"), client("cloudformation")
        self.name = f"test-{uuid.uuid4().hex[:8]}"
        self.approve("none")
        self._cloudformation.create_stack(
            StackName=self.name, TemplateBody=json.dumps(self.TEMPLATE)
        )
        self._wait("create")

    def approve(self, model: str) -> None:
        self._ssm.put_parameter(Name="/model", Value=model, Type="String", Overwrite=True)

    def update(self, name: str | None = None, **arguments: Any) -> None:
        given = {"ParameterKey": "Name"}
        name_parameter = {"UsePreviousValue": True} if name is None else {"ParameterValue": name}
        self._cloudformation.update_stack(
            StackName=self.name,
            UsePreviousTemplate=True,
            Parameters=[
                {"ParameterKey": "Model", "UsePreviousValue": True},
                given | name_parameter,
            ],
            **arguments,
        )
        self._wait("update")

    def resources(self) -> set[str]:
        found = self._cloudformation.describe_stack_resources(StackName=self.name)
        return {resource["LogicalResourceId"] for resource in found["StackResources"]}

    def reasons(self) -> str:
        found = self._cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        return " ".join(event.get("ResourceStatusReason", "") for event in found)

    def status(self) -> str:
        (stack,) = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        return str(stack["StackStatus"])

    def _wait(self, kind: str) -> None:
        waiter = self._cloudformation.get_waiter(f"stack_{kind}_complete")
        waiter.wait(StackName=self.name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})


@pytest.fixture
def stack(client: Client) -> Stack:
    return Stack(client)


def test_an_update_reads_its_ssm_parameter_again(stack: Stack) -> None:
    assert stack.resources() == {"Topic"}
    stack.approve("model-1")
    stack.update()
    assert stack.resources() == {"Topic", "Queue"}
    stack.approve("none")
    stack.update()
    assert stack.resources() == {"Topic"}


def test_a_stack_policy_keeps_a_resource_from_deletion(stack: Stack) -> None:
    stack.approve("model-1")
    stack.update(StackPolicyBody=json.dumps(POLICY))
    stack.approve("none")
    with pytest.raises(WaiterError):
        stack.update()
    assert stack.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.resources() == {"Topic", "Queue"}


def test_a_stack_policy_keeps_a_resource_from_replacement(stack: Stack) -> None:
    stack.approve("model-1")
    stack.update(StackPolicyBody=json.dumps(POLICY))
    with pytest.raises(WaiterError):
        stack.update("second")
    assert "does not allow [Update:Replace] for resource" in stack.reasons()
    assert stack.status() == "UPDATE_ROLLBACK_COMPLETE"


@pytest.mark.parametrize(("given", "expected"), [("", set()), ("a,b", {"Topic"})])
def test_a_condition_may_join_the_parts_of_a_list(
    client: Client, given: str, expected: set[str]
) -> None:
    """As the CDK's bootstrap template asks whether it is given policies."""
    cloudformation, name = client("cloudformation"), f"test-{uuid.uuid4().hex[:8]}"
    joined = {"Fn::Join": ["", {"Ref": "Given"}]}
    template = {
        "Parameters": {"Given": {"Type": "CommaDelimitedList", "Default": given}},
        "Conditions": {"Any": {"Fn::Not": [{"Fn::Equals": ["", joined]}]}},
        "Resources": {
            "Always": {"Type": "AWS::SNS::Topic"},
            "Topic": {"Type": "AWS::SNS::Topic", "Condition": "Any"},
        },
    }
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    waiter = cloudformation.get_waiter("stack_create_complete")
    waiter.wait(StackName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
    found = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    assert {each["LogicalResourceId"] for each in found} - {"Always"} == expected
    cloudformation.delete_stack(StackName=name)


def test_a_stack_that_is_busy_takes_no_update_and_a_protected_one_no_deletion(
    client: Client,
) -> None:
    cloudformation, name = client("cloudformation"), f"test-{uuid.uuid4().hex[:8]}"
    waiting = {
        "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
        "It": {
            "Type": "AWS::CloudFormation::WaitCondition",
            "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "1", "Count": 1},
        },
    }
    body = json.dumps({"Resources": waiting})
    cloudformation.create_stack(StackName=name, TemplateBody=body, EnableTerminationProtection=True)
    with pytest.raises(ClientError, match="is in CREATE_IN_PROGRESS state and can"):
        cloudformation.update_stack(StackName=name, TemplateBody=body)
    with pytest.raises(ClientError, match="cannot be deleted while TerminationProtection is en"):
        cloudformation.delete_stack(StackName=name)


def test_a_change_set_is_settled_when_its_execution_answers(client: Client) -> None:
    cloudformation = client("cloudformation")
    name = f"test-{uuid.uuid4().hex[:8]}"
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    change = cloudformation.create_change_set(
        StackName=name,
        ChangeSetName="c",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps(template),
    )["Id"]
    while cloudformation.describe_change_set(ChangeSetName=change)["Status"] != "CREATE_COMPLETE":
        time.sleep(0.02)
    cloudformation.execute_change_set(ChangeSetName="c", StackName=name)
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    cloudformation.delete_stack(StackName=name)


def test_a_custom_resource_fails_with_its_function(client: Client) -> None:
    """AWS would wait an hour for an answer that cannot come."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    code = "def handler(event, context):\n    raise RuntimeError('no answer')\n"
    resources = {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Statement": [trust]}},
        },
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.13",
                "Handler": "index.handler",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Code": {"ZipFile": code},
            },
        },
        "Custom": {
            "Type": "Custom::Thing",
            "Properties": {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}},
        },
    }
    cloudformation = client("cloudformation")
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=json.dumps({"Resources": resources}),
        OnFailure="DO_NOTHING",
        Capabilities=["CAPABILITY_IAM"],
    )
    with pytest.raises(WaiterError):
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 200}
        )
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    reasons = " ".join(event.get("ResourceStatusReason", "") for event in events)
    assert "failed without an answer: no answer" in reasons
    cloudformation.delete_stack(StackName=name)
