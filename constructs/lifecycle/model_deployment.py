"""What turns approvals and rejections in the registry into deployments by CloudFormation."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from lifecycle.event_function import EventFunction
from lifecycle.job_role import grant_read_objects, grant_write_objects
from lifecycle.wildcards import acknowledge_resource

__all__ = ["BASELINE_PREFIX", "ModelDeployment"]

# Where the monitors read the baseline of the deployed model, in the artifacts bucket.
BASELINE_PREFIX = "monitoring/baseline/"
# Where the training pipeline leaves each execution's baseline, in the same bucket.
EXECUTIONS_PREFIX = "executions/"


class ModelDeployment(Construct):
    """Deploys every model package of one group as soon as it is approved.

    Guarantees:
        When the deployed package is rejected, the one that was approved last before takes its
        place; while there is none, the endpoint stays as it is.
        The stack is updated with its own template and parameters: only the approved package
        changes, and rolling back is CloudFormation's.
        Only this stack, this parameter and packages of this group are within reach.

    Args:
        model_package_group_name: The group whose approvals and rejections count.
        parameter_name: The SSM parameter that names the approved package.
        artifacts_bucket: Where the package's baselines are, and where monitors expect them.
        encryption_key: Key of the dead-letter queue and the log.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        model_package_group_name: str,
        parameter_name: str,
        artifacts_bucket: s3.IBucket,
        encryption_key: kms.IKey,
    ) -> None:
        super().__init__(scope, construct_id)
        deployer = EventFunction(
            self,
            "Deployer",
            handler="deploy_model",
            description="Deploys the newest approved model package through CloudFormation",
            encryption_key=encryption_key,
            # It waits for an update that is under way, and a canary takes minutes.
            timeout=Duration.minutes(15),
            environment={
                "PARAMETER_NAME": parameter_name,
                "STACK_NAME": Stack.of(self).stack_name,
                "ARTIFACTS_BUCKET": artifacts_bucket.bucket_name,
            },
        )
        self.function_name = deployer.function.function_name
        self.dead_letter_queue = deployer.dead_letter_queue
        _grant_package(deployer.role, model_package_group_name)
        _grant_update(deployer.role, parameter_name)
        _grant_baselines(deployer.role, artifacts_bucket, encryption_key)
        _run_on_decision(deployer, model_package_group_name)


def _run_on_decision(deployer: EventFunction, group_name: str) -> None:
    deployer.run_on(
        "Approval",
        description="A model package of the group was approved or rejected",
        pattern=events.EventPattern(
            source=["aws.sagemaker"],
            detail_type=["SageMaker Model Package State Change"],
            detail={
                "ModelPackageGroupName": [group_name],
                "ModelApprovalStatus": ["Approved", "Rejected"],
            },
        ),
    )


def _grant_package(role: iam.Role, group_name: str) -> None:
    group, packages = (
        Stack.of(role).format_arn(service="sagemaker", resource=resource, resource_name=name)
        for resource, name in (
            ("model-package-group", group_name),
            ("model-package", f"{group_name}/*"),
        )
    )
    actions = ["sagemaker:DescribeModelPackage", "sagemaker:ListModelPackages"]
    role.add_to_policy(iam.PolicyStatement(actions=actions, resources=[group, packages]))
    acknowledge_resource(
        role, packages, "Packages of this one group, numbered as they are registered"
    )


def _grant_update(role: iam.Role, parameter_name: str) -> None:
    stack = Stack.of(role)
    # CloudFormation reads the values of SSM-typed parameters as whoever updates the stack; the
    # CDK's own parameter, the version of the bootstrap stack, is one of them.
    parameter, bootstrap = (
        stack.format_arn(service="ssm", resource="parameter", resource_name=name.lstrip("/"))
        for name in (parameter_name, "/cdk-bootstrap/hnb659fds/version")
    )
    role.add_to_policy(iam.PolicyStatement(actions=["ssm:PutParameter"], resources=[parameter]))
    role.add_to_policy(
        iam.PolicyStatement(actions=["ssm:GetParameters"], resources=[parameter, bootstrap])
    )
    # What the update itself does, it does by the role that the CDK gave the stack.
    this_stack = stack.format_arn(
        service="cloudformation", resource="stack", resource_name=f"{stack.stack_name}/*"
    )
    actions = ("DescribeStacks", "SetStackPolicy", "UpdateStack")
    role.add_to_policy(
        iam.PolicyStatement(
            actions=[f"cloudformation:{action}" for action in actions], resources=[this_stack]
        )
    )
    acknowledge_resource(
        role, this_stack, "One stack by name; CloudFormation ends its ARN with a random id"
    )


def _grant_baselines(role: iam.Role, artifacts: s3.IBucket, key: kms.IKey) -> None:
    """To copy the approved package's baselines to where the monitors read them."""
    grant_read_objects(role, artifacts, key, EXECUTIONS_PREFIX)
    grant_write_objects(role, artifacts, key, BASELINE_PREFIX)
