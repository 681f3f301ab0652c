from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Template

from lifecycle.model_deployment import ModelDeployment


@pytest.fixture(scope="module")
def template(new_stack: Callable[[], cdk.Stack]) -> Template:
    stack = new_stack()
    ModelDeployment(
        stack,
        "Deployment",
        model_package_group_name="fraudloop-test-fraud",
        parameter_name="/fraudloop/test/approved",
        artifacts_bucket=s3.Bucket(stack, "Artifacts"),
        encryption_key=kms.Key(stack, "Key"),
    )
    return Template.from_stack(stack)


def granted(template: Template, action: str) -> str:
    """The resource of the one statement with that action, its references left out."""
    (statement,) = (
        statement
        for policy in template.find_resources("AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if action in statement["Action"]
    )
    return text(statement["Resource"])


def text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(text(part) for part in value)
    if "Fn::Join" in value:
        return "".join(p if isinstance(p, str) else "" for p in value["Fn::Join"][1])
    return str(value)


def test_an_approval_or_rejection_in_this_group_starts_it(template: Template) -> None:
    template.has_resource_properties(
        "AWS::Events::Rule",
        {
            "EventPattern": {
                "source": ["aws.sagemaker"],
                "detail-type": ["SageMaker Model Package State Change"],
                "detail": {
                    "ModelPackageGroupName": ["fraudloop-test-fraud"],
                    "ModelApprovalStatus": ["Approved", "Rejected"],
                },
            }
        },
    )


def test_the_handler_knows_stack_parameter_and_bucket(template: Template) -> None:
    (bucket_id,) = template.find_resources("AWS::S3::Bucket")
    template.has_resource_properties(
        "AWS::Lambda::Function",
        {
            "Handler": "deploy_model.handler.handler",
            "Environment": {
                "Variables": {
                    "PARAMETER_NAME": "/fraudloop/test/approved",
                    "STACK_NAME": "Test",
                    "ARTIFACTS_BUCKET": {"Ref": bucket_id},
                }
            },
        },
    )


def test_it_outlasts_an_update_that_is_under_way(template: Template) -> None:
    template.has_resource_properties("AWS::Lambda::Function", {"Timeout": 15 * 60})


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("sagemaker:DescribeModelPackage", ":model-package/fraudloop-test-fraud/*"),
        ("sagemaker:ListModelPackages", ":model-package/fraudloop-test-fraud/*"),
        ("ssm:PutParameter", ":parameter/fraudloop/test/approved"),
        ("cloudformation:UpdateStack", ":stack/Test/*"),
        ("cloudformation:SetStackPolicy", ":stack/Test/*"),
        ("s3:GetObject", "/executions/*"),
        ("s3:PutObject", "/monitoring/baseline/*"),
    ],
)
def test_only_what_belongs_to_this_deployment_is_within_reach(
    template: Template, action: str, resource: str
) -> None:
    assert granted(template, action).endswith(resource)


def test_packages_of_other_groups_are_not_listed(template: Template) -> None:
    assert set(granted(template, "sagemaker:ListModelPackages").replace("arn:", "").split()) == {
        ":sagemaker:::model-package-group/fraudloop-test-fraud",
        ":sagemaker:::model-package/fraudloop-test-fraud/*",
    }


def test_cloudformation_may_read_the_parameters_of_this_stack(template: Template) -> None:
    assert set(granted(template, "ssm:GetParameters").replace("arn:", "").split()) == {
        ":ssm:::parameter/fraudloop/test/approved",
        ":ssm:::parameter/cdk-bootstrap/hnb659fds/version",
    }
