import json
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Template

from lifecycle.seeded_parameter import SeededParameter

NAME = "/test/approved-model-package"


@pytest.fixture(scope="module")
def template(new_stack: Callable[[], cdk.Stack]) -> Template:
    stack = new_stack()
    SeededParameter(stack, "Approved", parameter_name=NAME, encryption_key=kms.Key(stack, "Key"))
    return Template.from_stack(stack)


def test_no_parameter_is_declared_that_a_deployment_would_reset(template: Template) -> None:
    template.resource_count_is("AWS::SSM::Parameter", 0)
    template.has_resource_properties("Custom::SeededParameter", {"ParameterName": NAME})


def test_the_seeder_may_put_and_delete_this_one_parameter(template: Template) -> None:
    statements: list[dict[str, Any]] = [
        statement
        for policy in template.find_resources("AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "ssm:PutParameter" in statement["Action"]
    ]
    (statement,) = statements
    assert statement["Action"] == ["ssm:DeleteParameter", "ssm:PutParameter"]
    assert json.dumps(statement["Resource"]).endswith(f':parameter{NAME}"]]}}')
