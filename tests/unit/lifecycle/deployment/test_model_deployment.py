from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Match, Template

from lifecycle.deployment.model_deployment import ModelDeployment, PackageContract


def define(stack: cdk.Stack, **changes: Any) -> ModelDeployment:
    for name in ("approved", "challenger"):
        cdk.CfnParameter(
            stack,
            name.capitalize(),
            type="AWS::SSM::Parameter::Value<String>",
            default=f"/fraudloop/test/{name}",
        )
    return ModelDeployment(
        stack,
        "Deployment",
        **{
            "model_package_group_name": "fraudloop-test-fraud",
            "endpoint_name": "fraudloop-test",
            "parameter_name": "/fraudloop/test/approved",
            "challenger_parameter_name": "/fraudloop/test/challenger",
            "state_parameter_name": "/fraudloop/test/state",
            "contract": PackageContract(
                image_repository="registry/fraudloop",
                feature_schema_versions=["v8", "v9"],
                capture_contract="3",
            ),
            "longest_rollout": cdk.Duration.hours(8),
            "artifacts_bucket": s3.Bucket(stack, "Artifacts"),
            "metric_namespace": "fraudloop/test",
            "encryption_key": kms.Key(stack, "Key"),
            **changes,
        },
    )


@pytest.fixture(scope="module")
def template(new_stack: Callable[[], cdk.Stack]) -> Template:
    stack = new_stack()
    define(stack)
    return Template.from_stack(stack)


def granted(template: Template, action: str, *, to: str = "Deployer") -> str:
    """The resources of a role's statements with that action, their references left out."""
    return " ".join(
        text(statement["Resource"])
        for name, policy in template.find_resources("AWS::IAM::Policy").items()
        if to in name
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if action in listed(statement["Action"])
    )


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(text(part) for part in value)
    if "Fn::Join" in value:
        return "".join(p if isinstance(p, str) else "" for p in value["Fn::Join"][1])
    return str(value)


def patterns(template: Template) -> list[dict[str, Any]]:
    rules = template.find_resources("AWS::Events::Rule").values()
    found = [rule["Properties"].get("EventPattern") for rule in rules]
    return [pattern for pattern in found if pattern is not None]


def pattern_of(template: Template, source: str) -> dict[str, Any]:
    (pattern,) = (each for each in patterns(template) if each["source"] == [source])
    return pattern


def test_an_approval_or_rejection_in_this_group_starts_it(template: Template) -> None:
    assert pattern_of(template, "aws.sagemaker") == {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Package State Change"],
        "detail": {
            "ModelPackageGroupName": ["fraudloop-test-fraud"],
            "ModelApprovalStatus": ["Approved", "Rejected"],
        },
    }


def test_the_end_of_an_update_of_its_own_stack_starts_it(template: Template) -> None:
    detail = pattern_of(template, "aws.cloudformation")["detail"]
    assert detail["stack-id"] == [{"Ref": "AWS::StackId"}]
    assert detail["status-details"]["status"] == [
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_FAILED",
        "UPDATE_ROLLBACK_COMPLETE",
        "UPDATE_ROLLBACK_FAILED",
    ]


def test_another_challenger_starts_it(template: Template) -> None:
    detail = pattern_of(template, "aws.ssm")["detail"]
    assert detail == {
        "name": ["/fraudloop/test/challenger"],
        "operation": ["Create", "Update"],
    }


def test_what_waits_and_what_is_lost_is_looked_for_every_quarter_of_an_hour(
    template: Template,
) -> None:
    rule = {"ScheduleExpression": "rate(15 minutes)"}
    template.has_resource_properties("AWS::Events::Rule", rule)


def test_the_handler_knows_what_is_deployed_and_what_a_package_has_to_fit(
    template: Template,
) -> None:
    (bucket_id,) = template.find_resources("AWS::S3::Bucket")
    template.has_resource_properties(
        "AWS::Lambda::Function",
        {
            "Handler": "deploy_model.handler.handler",
            "Environment": {
                "Variables": {
                    "QUEUE_URL": Match.any_value(),
                    "STACK_NAME": "Test",
                    "STACK_ROLE_ARN": Match.any_value(),
                    "ENDPOINT_NAME": "fraudloop-test",
                    "MODEL_PACKAGE_GROUP_NAME": "fraudloop-test-fraud",
                    "APPROVED_PARAMETER": "/fraudloop/test/approved",
                    "CHALLENGER_PARAMETER": "/fraudloop/test/challenger",
                    "STATE_PARAMETER": "/fraudloop/test/state",
                    "ARTIFACTS_BUCKET": {"Ref": bucket_id},
                    "METRIC_NAMESPACE": "fraudloop/test",
                    "IMAGE_REPOSITORY": "registry/fraudloop",
                    "FEATURE_SCHEMA_VERSIONS": "v8 v9",
                    "CAPTURE_CONTRACT": "3",
                }
            },
        },
    )


@pytest.mark.parametrize("hours", [1, 8])
def test_a_message_outlasts_the_longest_update(
    new_stack: Callable[[], cdk.Stack], hours: int
) -> None:
    stack = new_stack()
    define(stack, longest_rollout=cdk.Duration.hours(hours))
    (receives,) = (
        queue["Properties"]["RedrivePolicy"]["maxReceiveCount"]
        for queue in Template.from_stack(stack).find_resources("AWS::SQS::Queue").values()
        if "RedrivePolicy" in queue["Properties"]
    )
    # Each time the function waits for 14 of its 15 minutes.
    assert receives * 14 >= (hours + 1) * 60
    assert receives <= 1000  # the most that SQS takes


def test_the_last_deployment_is_kept_in_a_parameter(template: Template) -> None:
    template.has_resource_properties(
        "AWS::SSM::Parameter", {"Name": "/fraudloop/test/state", "Type": "String", "Value": "none"}
    )


def test_a_failed_deployment_is_an_alarm(template: Template) -> None:
    template.has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {
            "Namespace": "fraudloop/test",
            "MetricName": "FailedDeployments",
            "Dimensions": [{"Name": "EndpointName", "Value": "fraudloop-test"}],
            "Statistic": "Sum",
            "Threshold": 0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
        },
    )


def test_all_its_alarms_can_be_told_of(new_stack: Callable[[], cdk.Stack]) -> None:
    stack = new_stack()
    deployment = define(stack)
    template = Template.from_stack(stack)
    assert len(deployment.alarms) == len(template.find_resources("AWS::CloudWatch::Alarm")) == 4


def test_without_a_challenger_nothing_is_watched_or_read_for_one(
    new_stack: Callable[[], cdk.Stack],
) -> None:
    stack = new_stack()
    define(stack, challenger_parameter_name=None)
    template = Template.from_stack(stack)
    assert "aws.ssm" not in {source for each in patterns(template) for source in each["source"]}
    assert "challenger" not in granted(template, "ssm:PutParameter")
    template.has_resource_properties(
        "AWS::Lambda::Function",
        {"Environment": {"Variables": Match.object_like({"CHALLENGER_PARAMETER": ""})}},
    )


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("sagemaker:DescribeModelPackage", ":model-package/fraudloop-test-fraud/*"),
        ("sagemaker:ListModelPackages", ":model-package/fraudloop-test-fraud/*"),
        ("sagemaker:UpdateModelPackage", ":model-package/fraudloop-test-fraud/*"),
        ("sagemaker:DescribeEndpoint", ":endpoint/fraudloop-test"),
        ("cloudformation:UpdateStack", ":stack/Test/*"),
        ("cloudformation:SetStackPolicy", ":stack/Test/*"),
        ("cloudformation:DescribeStackEvents", ":stack/Test/*"),
        ("cloudwatch:DescribeAlarmHistory", ":alarm:Test-*-*"),
        ("s3:GetObject", "/executions/* /models/*"),
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


PARAMETERS = {
    f":ssm:::parameter/fraudloop/test/{name}" for name in ("approved", "challenger", "state")
}


def test_its_own_parameters_are_written(template: Template) -> None:
    assert set(granted(template, "ssm:PutParameter").replace("arn:", "").split()) == PARAMETERS


@pytest.mark.parametrize("to", ["Deployer", "StackRole"])
def test_cloudformation_may_read_the_parameters_of_this_stack(template: Template, to: str) -> None:
    """Whether as whom it is called by, or as whom it acts."""
    read = set(granted(template, "ssm:GetParameters", to=to).replace("arn:", "").split())
    bootstrap = ":ssm:::parameter/cdk-bootstrap/hnb659fds/version"
    assert read - {":ssm:::parameter/fraudloop/test/state"} == (
        PARAMETERS - {":ssm:::parameter/fraudloop/test/state"} | {bootstrap}
    )


def test_packages_are_rejected_only(template: Template) -> None:
    (condition,) = conditions(template, "sagemaker:UpdateModelPackage")
    assert condition == {"StringEquals": {"sagemaker:ModelApprovalStatus": "Rejected"}}


def conditions(template: Template, action: str) -> list[Any]:
    """Of each statement with that action."""
    return [
        statement.get("Condition")
        for policy in template.find_resources("AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if action in listed(statement["Action"])
    ]
