"""The retry of failed analyses; if it does not help, operators hear of it."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from lifecycle.access.wildcards import acknowledge_resource
from lifecycle.functions.event_function import EventFunction
from lifecycle.training.roles import allow_passing

__all__ = ["AnalysisRetry"]

RETRIES = 2
# What Model Monitor and pipelines name their jobs like.
JOBS = ("model-monitoring-*", "pipelines-*")


class AnalysisRetry(Construct):
    """Starts a failed job of the monitors again, the same in all but its name.

    Neither engine does so for a job that ran and failed: a schedule waits for its next hour, and a
    pipeline's retries are for SageMaker's own faults.

    Guarantees:
        A job is repeated at most twice, however often an event comes, and each time under a name
        that tells of which job it is the repetition.
        The function can start jobs as the given roles and as no other.
        What is given up counts in the metric `AnalysesFailed`, by `Monitor`.

    Args:
        endpoint_name: The endpoint, a dimension of the metric.
        metric_namespace: Of the metric.
        roles: What the monitors' jobs run as.
        encryption_key: Key of the log and of the queue of what could not be handled.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        metric_namespace: str,
        roles: Sequence[iam.IRole],
        encryption_key: kms.IKey,
    ) -> None:
        super().__init__(scope, construct_id)
        repeater = EventFunction(
            self,
            "Repeater",
            handler="retry_analysis",
            description="Starts failed analyses again",
            encryption_key=encryption_key,
            timeout=Duration.minutes(1),
            environment={
                "ENDPOINT_NAME": endpoint_name,
                "METRIC_NAMESPACE": metric_namespace,
                "RETRIES": str(RETRIES),
            },
        )
        self.function_name = repeater.function.function_name
        arns = [role.role_arn for role in roles]
        _allow_repeating(repeater.role)
        allow_passing(repeater.role, arns)
        repeater.run_on(
            "Failed",
            description="An analysis failed",
            pattern=events.EventPattern(
                source=["aws.sagemaker"],
                detail_type=["SageMaker Processing Job State Change"],
                detail={"ProcessingJobStatus": ["Failed"], "RoleArn": arns},
            ),
        )
        self.function = repeater
        self.alarm = repeater.alarm


def _allow_repeating(role: iam.Role) -> None:
    stack = Stack.of(role)
    jobs = [
        stack.format_arn(service="sagemaker", resource="processing-job", resource_name=name)
        for name in JOBS
    ]
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["sagemaker:CreateProcessingJob", "sagemaker:DescribeProcessingJob"],
            resources=jobs,
        )
    )
    for job in jobs:
        acknowledge_resource(role, job, "Jobs are named after executions; the roles are two")
