"""A function updates its stack by one role only; what that may do, tests/nag/test_stack_roles.py
holds against the resources of every environment."""

import json
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk.assertions import Template

from lifecycle.deployment.stack_role import StackRole

QUALIFIER = "bank2026"


def synthesized(stack: cdk.Stack) -> dict[str, Any]:
    """Statements by the policy's logical ID, of a stack with one function's role."""
    cdk.CfnParameter(
        stack, "Approved", type="AWS::SSM::Parameter::Value<String>", default="/test/approved"
    )
    for name, definition in {
        "Follows": {"Ref": "Approved"},
        "Stays": {"Ref": "AWS::Region"},
    }.items():
        sagemaker.CfnPipeline(
            stack,
            name,
            pipeline_name=f"test-{name.lower()}",
            pipeline_definition={"PipelineDefinitionBody": definition},
            role_arn=f"arn:aws:iam::123456789012:role/{name}",
        )
    function = iam.Role(stack, "Function", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    role = StackRole(stack, "StackRole", encryption_key=kms.Key(stack, "Key"))
    role.grant_update(function, "cloudformation:DescribeStacks")
    return {
        name: policy["Properties"]["PolicyDocument"]["Statement"]
        for name, policy in Template.from_stack(stack).find_resources("AWS::IAM::Policy").items()
    }


@pytest.fixture(scope="module")
def policies(new_stack: Callable[[], cdk.Stack]) -> dict[str, Any]:
    return synthesized(new_stack())


def of(policies: dict[str, Any], prefix: str, action: str) -> list[dict[str, Any]]:
    return [
        statement
        for name, statements in policies.items()
        if name.startswith(prefix)
        for statement in statements
        if action in statement["Action"]
    ]


def test_an_update_has_to_name_the_role_and_no_template(policies: dict[str, Any]) -> None:
    (update,) = of(policies, "Function", "cloudformation:UpdateStack")
    (role,) = (
        name for name in [update["Condition"]["ArnEquals"]["cloudformation:RoleArn"]["Fn::GetAtt"]]
    )
    assert role[0].startswith("StackRole")
    assert update["Condition"] == {
        "ArnEquals": {"cloudformation:RoleArn": {"Fn::GetAtt": role}},
        "Null": {"cloudformation:TemplateUrl": "true"},
    }
    (passing,) = of(policies, "Function", "iam:PassRole")
    assert passing["Resource"] == {"Fn::GetAtt": role}
    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}
    }


def test_only_what_follows_the_parameter_can_be_changed(policies: dict[str, Any]) -> None:
    (pipeline,) = of(policies, "StackRole", "sagemaker:UpdatePipeline")
    assert "pipeline/test-follows" in json.dumps(pipeline["Resource"])
    assert "test-stays" not in json.dumps(policies)
    (passing,) = of(policies, "StackRole", "iam:PassRole")
    assert passing["Resource"] == "arn:aws:iam::123456789012:role/Follows"


@pytest.mark.parametrize(
    ("synthesizer", "name"),
    [
        (cdk.DefaultStackSynthesizer(qualifier=QUALIFIER), f"cdk-bootstrap/{QUALIFIER}/version"),
        (cdk.LegacyStackSynthesizer(), None),
    ],
    ids=["a qualifier of one's own", "no bootstrap stack"],
)
def test_the_bootstrap_stacks_version_is_read_as_the_synthesizer_names_it(
    synthesizer: cdk.IStackSynthesizer, name: str | None
) -> None:
    policies = synthesized(cdk.Stack(cdk.App(), "Test", synthesizer=synthesizer))
    for prefix in ("Function", "StackRole"):
        (read,) = of(policies, prefix, "ssm:GetParameters")
        names = json.dumps(read["Resource"])
        assert "parameter/test/approved" in names
        assert (f"parameter/{name}" in names) if name else ("cdk-bootstrap" not in names)
