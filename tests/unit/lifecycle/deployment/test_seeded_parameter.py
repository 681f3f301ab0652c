import json
from collections.abc import Callable

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Template

from lifecycle.deployment.seeded_parameter import SeededParameter

NAME = "/test/approved-model-package"


@pytest.fixture(scope="module")
def template(new_stack: Callable[[], cdk.Stack]) -> Template:
    stack = new_stack()
    SeededParameter(
        stack,
        "Approved",
        parameter_name=NAME,
        encryption_key=kms.Key(stack, "Key"),
        endpoint_name="the-endpoint",
    )
    return Template.from_stack(stack)


def resources(template: Template, action: str) -> str:
    """Where an action is allowed, as JSON."""
    return json.dumps(
        [
            statement["Resource"]
            for policy in template.find_resources("AWS::IAM::Policy").values()
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            if action == statement["Action"] or action in statement["Action"]
        ]
    )


def test_no_parameter_is_declared_that_a_deployment_would_reset(template: Template) -> None:
    template.resource_count_is("AWS::SSM::Parameter", 0)
    template.has_resource_properties(
        "Custom::SeededParameter", {"ParameterName": NAME, "EndpointName": "the-endpoint"}
    )


@pytest.mark.parametrize("action", ["ssm:DeleteParameter", "ssm:PutParameter"])
def test_the_seeder_may_put_and_delete_this_one_parameter(template: Template, action: str) -> None:
    assert resources(template, action).endswith(f':parameter{NAME}"]]}}]')


def test_the_seeder_may_look_at_its_own_stack(template: Template) -> None:
    found = resources(template, "cloudformation:DescribeStacks")
    assert found == '[{"Ref": "AWS::StackId"}]'


def test_the_seeder_may_see_what_the_endpoint_serves(template: Template) -> None:
    assert ":endpoint/the-endpoint" in resources(template, "sagemaker:DescribeEndpoint")
    assert ":model/*" in resources(template, "sagemaker:DescribeModel")


def test_a_parameter_of_no_endpoint_is_always_none_at_first(
    new_stack: Callable[[], cdk.Stack],
) -> None:
    stack = new_stack()
    SeededParameter(stack, "Seeded", parameter_name=NAME, encryption_key=kms.Key(stack, "Key"))
    template = Template.from_stack(stack)
    (resource,) = template.find_resources("Custom::SeededParameter").values()
    assert "EndpointName" not in resource["Properties"]
    assert resources(template, "sagemaker:DescribeEndpoint") == "[]"
