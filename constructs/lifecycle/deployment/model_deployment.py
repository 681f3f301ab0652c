"""The function that turns approvals and rejections into deployments by CloudFormation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aws_cdk import Aws, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from lifecycle.alarms.metric_alarm import alarm_above
from lifecycle.deployment.grants import (
    BASELINE_PREFIX,
    grant_alarm_history,
    grant_baselines,
    grant_endpoint,
    grant_models,
    grant_packages,
    grant_parameters,
)
from lifecycle.deployment.stack_role import StackRole
from lifecycle.functions.queued_function import QueuedFunction
from pipeline_code.contracts.decisions import APPROVED, REJECTED
from pipeline_code.contracts.metrics import Dimension, MetricName
from pipeline_code.contracts.packages import NO_MODEL

__all__ = ["BASELINE_PREFIX", "ModelDeployment", "PackageContract"]

TIMEOUT = Duration.minutes(15)
# What one invocation waits for a busy stack, at least.
WAIT_MINUTES = 14
# Beside the endpoint's, a stack has other resources to update.
MARGIN = Duration.hours(1)
# How long a deployment waits that failed for what passes; then twice as long each time.
FIRST_PAUSE = Duration.minutes(15)
# An error gives the message back for a minute each time.
ATTEMPTS = 5
# How an update can end, as CloudFormation says; and a stack that a deployment has just made.
ENDED = [
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_FAILED",
    "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_ROLLBACK_FAILED",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageContract:
    """What a package has to fit.

    Attributes:
        image_repository: URI of the repository that its image must be of.
        feature_schema_versions: Those whose feature groups there are for an endpoint to read.
        capture_contract: By which monitor and audit read what is captured.
    """

    image_repository: str
    feature_schema_versions: Sequence[str]
    capture_contract: str


class ModelDeployment(Construct):
    """Keeps its stack's endpoint on the package of one group that was approved last and fits.

    Guarantees:
        An approval waits while the stack is being updated, for longer than an update can take; it
        is lost in no case, and whatever the order of events, the newest approval is deployed.
        A package that does not fit, or whose deployment was rolled back for what it did, is
        rejected with the reason, so that nothing deploys it again. One that AWS, the old fleet or
        a person kept from serving is tried again, ever more rarely. The parameter then names what
        runs.
        When the deployed package is rejected, the one that was approved last before takes its
        place; while there is none, the endpoint stays as it is.
        The stack is updated with its own template and parameters: only packages change, and rolling
        back is CloudFormation's. From the stack's creation on, its policy denies replacing and
        deleting the endpoint.
        Only this stack, its parameters and packages of this group are within reach, and the stack
        only by a role that can do nothing but change models; packages are rejected, never approved.
        Whatever an operator has to look at is an alarm.

    Define it last: what its stack has by then can be updated.

    Args:
        model_package_group_name: The group whose approvals and rejections count.
        endpoint_name: The endpoint.
        parameter_name: The SSM parameter that names the approved package.
        challenger_parameter_name: The one that names the challenger, if the stack reads one.
        state_parameter_name: The one that says what became of the last deployment; defined here.
        contract: What a package has to fit.
        longest_rollout: How long the endpoint may take to change its model.
        artifacts_bucket: Where the package's baselines are, and where monitors expect them.
        metric_namespace: Where failed deployments are counted.
        encryption_key: Key of the queues, the log and the volumes of the endpoint's instances.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        model_package_group_name: str,
        endpoint_name: str,
        parameter_name: str,
        challenger_parameter_name: str | None = None,
        state_parameter_name: str,
        contract: PackageContract,
        longest_rollout: Duration,
        artifacts_bucket: s3.IBucket,
        metric_namespace: str,
        encryption_key: kms.IKey,
    ) -> None:
        super().__init__(scope, construct_id)
        self._group_name = model_package_group_name
        self._define_state(state_parameter_name)
        stack_role = StackRole(self, "StackRole", encryption_key=encryption_key)
        grant_models(stack_role, model_package_group_name)
        self._deployer = QueuedFunction(
            self,
            "Deployer",
            handler="deploy_model",
            description="Deploys the newest approved model package through CloudFormation",
            encryption_key=encryption_key,
            timeout=TIMEOUT,
            receives=_receives(longest_rollout),
            environment={
                "STACK_NAME": Stack.of(self).stack_name,
                "STACK_ROLE_ARN": stack_role.role_arn,
                "ENDPOINT_NAME": endpoint_name,
                "MODEL_PACKAGE_GROUP_NAME": model_package_group_name,
                "APPROVED_PARAMETER": parameter_name,
                "CHALLENGER_PARAMETER": challenger_parameter_name or "",
                "STATE_PARAMETER": state_parameter_name,
                "ARTIFACTS_BUCKET": artifacts_bucket.bucket_name,
                "METRIC_NAMESPACE": metric_namespace,
                "IMAGE_REPOSITORY": contract.image_repository,
                "FEATURE_SCHEMA_VERSIONS": " ".join(contract.feature_schema_versions),
                "CAPTURE_CONTRACT": contract.capture_contract,
                "FIRST_PAUSE_SECONDS": str(FIRST_PAUSE.to_seconds()),
            },
        )
        self.function_name = self._deployer.function.function_name
        self.queue_urls = (
            self._deployer.queue.queue_url,
            self._deployer.dead_letter_queue.queue_url,
            self._deployer.undelivered_queue.queue_url,
        )
        read = _named(parameter_name, challenger_parameter_name)
        role = self._deployer.role
        grant_packages(role, model_package_group_name)
        grant_endpoint(role, endpoint_name)
        grant_parameters(role, [*read, state_parameter_name])
        stack_role.grant_update(
            role,
            "cloudformation:DescribeStackEvents",
            "cloudformation:DescribeStacks",
            "cloudformation:SetStackPolicy",
        )
        grant_baselines(role, artifacts_bucket, encryption_key)
        grant_alarm_history(role)
        self._run_on_changes(_named(challenger_parameter_name))
        failed = self._define_alarm(metric_namespace, endpoint_name)
        self.alarms = (failed, *self._deployer.alarms)

    def _define_state(self, name: str) -> None:
        # Written by CloudFormation only with the stack; what it says is nobody's input.
        ssm.CfnParameter(
            self,
            "State",
            name=name,
            type="String",
            value=NO_MODEL,
            description="What became of the last deployment of a model package, as JSON",
        )

    def _run_on_changes(self, challenger: Iterable[str]) -> None:
        self._deployer.run_on(
            "Decision",
            description="A model package of the group was approved or rejected",
            pattern={
                "source": ["aws.sagemaker"],
                "detail-type": ["SageMaker Model Package State Change"],
                "detail": {
                    "ModelPackageGroupName": [self._group_name],
                    "ModelApprovalStatus": [APPROVED, REJECTED],
                },
            },
        )
        self._deployer.run_on(
            "Ended",
            description="The stack was created, or an update of it has ended",
            pattern={
                "source": ["aws.cloudformation"],
                "detail-type": ["CloudFormation Stack Status Change"],
                "detail": {"stack-id": [Aws.STACK_ID], "status-details": {"status": ENDED}},
            },
        )
        for name in challenger:
            self._deployer.run_on(
                "Challenger",
                description="Another package, or none, is to be the challenger",
                pattern={
                    "source": ["aws.ssm"],
                    "detail-type": ["Parameter Store Change"],
                    "detail": {"name": [name], "operation": ["Create", "Update"]},
                },
            )
        self._deployer.run_every(
            "Tick",
            description="What waits is done when its time has come, and that of lost events",
            schedule=events.Schedule.rate(FIRST_PAUSE),
        )

    def _define_alarm(self, namespace: str, endpoint_name: str) -> cloudwatch.Alarm:
        metric = cloudwatch.Metric(
            namespace=namespace,
            metric_name=MetricName.FAILED_DEPLOYMENTS,
            dimensions_map={Dimension.ENDPOINT: endpoint_name},
            statistic="Sum",
            period=Duration.minutes(1),
        )
        return alarm_above(
            self,
            "Failed",
            metric,
            description=f"A deployment to {endpoint_name} was rolled back, or cannot go on; "
            "`fraudloop status` says why",
        )


def _receives(longest_rollout: Duration) -> int:
    """How often a message must be given out to outlast an update, and then some errors."""
    minutes = longest_rollout.to_minutes(integral=False) + MARGIN.to_minutes()
    return math.ceil(minutes / WAIT_MINUTES) + ATTEMPTS


def _named(*names: str | None) -> list[str]:
    return [name for name in names if name is not None]
