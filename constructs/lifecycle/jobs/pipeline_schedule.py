"""EventBridge Scheduler starting a SageMaker pipeline, and the one thing that it may do."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import CfnCondition, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from lifecycle.access.service_trust import for_this_account

__all__ = ["schedule_pipeline"]

Schedule = scheduler.CfnSchedule

RETRIES = 2
PATIENCE_SECONDS = 30 * 60


def schedule_pipeline(
    scope: Construct,
    pipeline: sagemaker.CfnPipeline,
    *,
    pipeline_name: str,
    expression: str,
    description: str,
    parameters: Mapping[str, str],
    condition: CfnCondition,
) -> None:
    """Has the pipeline started on a schedule, by a role that can start it and nothing else.

    Args:
        scope: Where the schedule and its role are defined, as `Schedule` and `SchedulerRole`.
        pipeline: What is started.
        pipeline_name: Its physical name.
        expression: When: cron(...) or rate(...), in UTC.
        description: Of the schedule.
        parameters: Of the pipeline, for each start; Scheduler wants at least one.
        condition: When there is a schedule at all.
    """
    arn = Stack.of(scope).format_arn(
        service="sagemaker", resource="pipeline", resource_name=pipeline_name
    )
    role = _define_role(scope, arn, pipeline_name)
    schedule = Schedule(
        scope,
        "Schedule",
        # Named, so that who may change it can be said without a wildcard.
        name=pipeline_name,
        description=description,
        schedule_expression=expression,
        flexible_time_window=Schedule.FlexibleTimeWindowProperty(mode="OFF"),
        target=_target(arn, role, parameters),
    )
    schedule.cfn_options.condition = condition
    schedule.node.add_dependency(pipeline, role)


def _target(
    pipeline_arn: str, role: iam.Role, parameters: Mapping[str, str]
) -> Schedule.TargetProperty:
    return Schedule.TargetProperty(
        arn=pipeline_arn,
        role_arn=role.role_arn,
        sage_maker_pipeline_parameters=Schedule.SageMakerPipelineParametersProperty(
            pipeline_parameter_list=[
                Schedule.SageMakerPipelineParameterProperty(name=name, value=value)
                for name, value in parameters.items()
            ]
        ),
        retry_policy=Schedule.RetryPolicyProperty(
            maximum_retry_attempts=RETRIES,
            maximum_event_age_in_seconds=PATIENCE_SECONDS,
        ),
    )


def _define_role(scope: Construct, pipeline_arn: str, pipeline_name: str) -> iam.Role:
    role = iam.Role(
        scope,
        "SchedulerRole",
        description=f"Lets EventBridge Scheduler start {pipeline_name}",
        assumed_by=for_this_account(scope, "scheduler.amazonaws.com"),
    )
    role.add_to_policy(
        iam.PolicyStatement(actions=["sagemaker:StartPipelineExecution"], resources=[pipeline_arn])
    )
    return role
