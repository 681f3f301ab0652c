"""The grants of the function that deploys model packages."""

from __future__ import annotations

from collections.abc import Iterable

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from lifecycle.access.wildcards import acknowledge_resource
from lifecycle.jobs.job_role import grant_read_objects, grant_write_objects
from pipeline_code.contracts.alarms import alarm_name
from pipeline_code.contracts.decisions import REJECTED

__all__ = [
    "BASELINE_PREFIX",
    "grant_alarm_history",
    "grant_baselines",
    "grant_endpoint",
    "grant_models",
    "grant_packages",
    "grant_parameters",
]

# Where the monitors read the baselines of deployed models, in the artifacts bucket.
BASELINE_PREFIX = "monitoring/baseline/"
# Where the training pipeline leaves each execution's baselines and model, in the same bucket.
EXECUTIONS_PREFIX = "executions/"
MODELS_PREFIX = "models/"


def grant_packages(role: iam.Role, group_name: str) -> None:
    """To read and to reject the packages of a group."""
    group, packages = (
        Stack.of(role).format_arn(service="sagemaker", resource=resource, resource_name=name)
        for resource, name in (
            ("model-package-group", group_name),
            ("model-package", f"{group_name}/*"),
        )
    )
    # ListModelPackages takes packages (Service Authorization Reference), and names a group.
    for action, resources in (
        ("DescribeModelPackage", [packages]),
        ("ListModelPackages", [group, packages]),
    ):
        role.add_to_policy(
            iam.PolicyStatement(actions=[f"sagemaker:{action}"], resources=resources)
        )
    # A request that does not say which status changes something else, and is denied.
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["sagemaker:UpdateModelPackage"],
            resources=[packages],
            conditions={"StringEquals": {"sagemaker:ModelApprovalStatus": REJECTED}},
        )
    )
    acknowledge_resource(
        role, packages, "Packages of this one group, numbered as they are registered"
    )


def grant_models(role: iam.Role, group_name: str) -> None:
    """To make models of a group's packages.

    Policies that share a group across accounts name both actions on its packages (SageMaker's
    developer guide, "Deploy a Model in Production", another account's versions); whether SageMaker
    asks for them within an account is not documented.
    """
    packages = Stack.of(role).format_arn(
        service="sagemaker", resource="model-package", resource_name=f"{group_name}/*"
    )
    actions = ["sagemaker:CreateModel", "sagemaker:DescribeModelPackage"]
    role.add_to_policy(iam.PolicyStatement(actions=actions, resources=[packages]))
    acknowledge_resource(
        role, packages, "Packages of this one group, numbered as they are registered"
    )


def grant_endpoint(role: iam.Role, endpoint_name: str) -> None:
    """To read what an endpoint serves, which CloudFormation names."""
    stack = Stack.of(role)
    for action, resource, name in (
        ("DescribeEndpoint", "endpoint", endpoint_name),
        ("DescribeEndpointConfig", "endpoint-config", "*"),
        ("DescribeModel", "model", "*"),
    ):
        arn = stack.format_arn(service="sagemaker", resource=resource, resource_name=name)
        role.add_to_policy(iam.PolicyStatement(actions=[f"sagemaker:{action}"], resources=[arn]))
        if name == "*":
            acknowledge_resource(
                role, arn, "CloudFormation names it anew with each version; only read"
            )


def grant_parameters(role: iam.Role, names: Iterable[str]) -> None:
    """To read and write parameters of the Parameter Store."""
    stack = Stack.of(role)
    parameters = [_parameter(stack, name) for name in names]
    role.add_to_policy(
        iam.PolicyStatement(actions=["ssm:GetParameters", "ssm:PutParameter"], resources=parameters)
    )


def grant_baselines(role: iam.Role, artifacts: s3.IBucket, key: kms.IKey) -> None:
    """To copy the approved package's baselines and model to where the monitors read them."""
    grant_read_objects(role, artifacts, key, EXECUTIONS_PREFIX, MODELS_PREFIX)
    grant_write_objects(role, artifacts, key, BASELINE_PREFIX)
    # What is there already is not copied again, and what is gone is no error.
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["s3:ListBucket"],
            resources=[artifacts.bucket_arn],
            conditions={"StringLike": {"s3:prefix": [f"{BASELINE_PREFIX}*"]}},
        )
    )


def grant_alarm_history(role: iam.Role) -> None:
    """To read when the alarms of the stack's versions went off, of which more come."""
    stack = Stack.of(role)
    alarms = stack.format_arn(
        service="cloudwatch",
        resource="alarm",
        resource_name=alarm_name(stack.stack_name, "*", "*"),
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    actions = ["cloudwatch:DescribeAlarmHistory"]
    role.add_to_policy(iam.PolicyStatement(actions=actions, resources=[alarms]))
    acknowledge_resource(role, alarms, "Each version has alarms of its own; only read")


def _parameter(stack: Stack, name: str) -> str:
    return stack.format_arn(
        service="ssm", resource="parameter", resource_name=name.removeprefix("/")
    )
