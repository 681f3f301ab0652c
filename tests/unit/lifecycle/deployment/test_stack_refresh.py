import json
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Template

from lifecycle.deployment.stack_refresh import StackRefresh


@pytest.fixture(scope="module")
def template(new_stack: Callable[[], cdk.Stack]) -> Template:
    stack = new_stack()
    cdk.CfnParameter(
        stack, "Approved", type="AWS::SSM::Parameter::Value<String>", default="/test/approved"
    )
    StackRefresh(
        stack,
        "Refresh",
        endpoint_name="test-fraud",
        parameter_name="/test/approved",
        encryption_key=kms.Key(stack, "Key"),
    )
    return Template.from_stack(stack)


def allowed(template: Template, action: str) -> list[Any]:
    """The resources of each statement with that action."""
    return [
        statement["Resource"]
        for policy in template.find_resources("AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if action in statement["Action"]
    ]


def test_the_stack_is_refreshed_when_this_endpoint_is_in_service(template: Template) -> None:
    template.has_resource_properties(
        "AWS::Events::Rule",
        {
            "EventPattern": {
                "source": ["aws.sagemaker"],
                "detail-type": ["SageMaker Endpoint State Change"],
                "detail": {"EndpointName": ["test-fraud"], "EndpointStatus": ["IN_SERVICE"]},
            }
        },
    )
    template.has_resource_properties(
        "AWS::Lambda::Function", {"Environment": {"Variables": {"STACK_NAME": "Test"}}}
    )


def test_the_stack_is_refreshed_when_the_parameter_is_put_back(template: Template) -> None:
    template.has_resource_properties(
        "AWS::Events::Rule",
        {
            "EventPattern": {
                "source": ["aws.ssm"],
                "detail-type": ["Parameter Store Change"],
                "detail": {"name": ["/test/approved"], "operation": ["Update"]},
            }
        },
    )


def test_the_function_may_update_its_own_stack_only(template: Template) -> None:
    for action in ("cloudformation:DescribeStacks", "cloudformation:UpdateStack"):
        (resource,) = allowed(template, action)
        assert ":stack/Test/*" in json.dumps(resource)


def test_function_and_role_may_read_what_the_stacks_parameters_name(template: Template) -> None:
    found = allowed(template, "ssm:GetParameters")
    assert len(found) == 2
    for resources in found:
        names = [json.dumps(each) for each in resources]
        assert len(names) == 2
        assert any(":parameter/test/approved" in name for name in names)
        assert any(":parameter/cdk-bootstrap/hnb659fds/version" in name for name in names)
