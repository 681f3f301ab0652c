"""The `scheduled` engine: EventBridge Scheduler starts the analyzer as a SageMaker pipeline."""

from __future__ import annotations

from aws_cdk import CfnCondition, Fn, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from lifecycle.analyzer import Analyzer
from lifecycle.job_requests import Compute
from lifecycle.job_role import sagemaker_principal
from lifecycle.training_roles import allow_jobs, allow_passing

__all__ = ["MonitoringPipeline"]

RETRIES = 2
PATIENCE_SECONDS = 30 * 60


class MonitoringPipeline(Construct):
    """Analyzes the last hour's captures every hour, in any account.

    Guarantees:
        The pipeline can start processing jobs as the analyzer and nothing else; the scheduler can
        start this pipeline and nothing else.

    Args:
        pipeline_name: Physical name; a run on demand starts it with `AnalysisHours`.
        analyzer: What runs.
        compute: What it runs on.
        condition: When there is an endpoint; without one every run would fail for lack of captures.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pipeline_name: str,
        analyzer: Analyzer,
        compute: Compute,
        condition: CfnCondition,
    ) -> None:
        super().__init__(scope, construct_id)
        self.pipeline_name = pipeline_name
        pipeline = self._define_pipeline(analyzer, compute)
        self._define_schedule(pipeline, condition)

    def _define_pipeline(self, analyzer: Analyzer, compute: Compute) -> sagemaker.CfnPipeline:
        # Here and not above: importing the SageMaker SDK takes seconds.
        from lifecycle.monitoring_definition import monitoring_definition  # noqa: PLC0415

        role = iam.Role(
            self,
            "Role",
            description="Starts the analyzer",
            assumed_by=sagemaker_principal(self),
        )
        allow_jobs(role, "processing-job")
        allow_passing(role, [analyzer.role.role_arn])
        values = {
            "AnalyzerRoleArn": analyzer.role.role_arn,
            "BaselineUri": analyzer.baseline_uri,
            "CapturesUri": analyzer.captures_uri,
            "EndpointName": analyzer.endpoint_name,
            "ImageUri": analyzer.image_uri,
            "KeyArn": analyzer.key_arn,
            "MetricNamespace": analyzer.metric_namespace,
            "PipelineName": self.pipeline_name,
            "ReportsUri": analyzer.reports_uri,
        }
        pipeline = sagemaker.CfnPipeline(
            self,
            "Pipeline",
            pipeline_name=self.pipeline_name,
            pipeline_description="Compares captured traffic with the model's baseline",
            role_arn=role.role_arn,
            # Untyped in the CDK: copied as it is, hence CloudFormation's own spelling.
            pipeline_definition={
                "PipelineDefinitionBody": Fn.sub(monitoring_definition(compute), values)
            },
        )
        pipeline.node.add_dependency(role, analyzer.role)
        return pipeline

    def _define_schedule(self, pipeline: sagemaker.CfnPipeline, condition: CfnCondition) -> None:
        arn = Stack.of(self).format_arn(
            service="sagemaker", resource="pipeline", resource_name=self.pipeline_name
        )
        role = self._define_scheduler_role(arn)
        schedule = scheduler.CfnSchedule(
            self,
            "Schedule",
            description="Has the analyzer compare the last hour's captures with the baseline",
            # Five past: SageMaker delivers captures within minutes.
            schedule_expression="cron(5 * * * ? *)",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=arn,
                role_arn=role.role_arn,
                sage_maker_pipeline_parameters=(
                    scheduler.CfnSchedule.SageMakerPipelineParametersProperty(
                        pipeline_parameter_list=[
                            scheduler.CfnSchedule.SageMakerPipelineParameterProperty(
                                name="AnalysisHours", value="1"
                            )
                        ]
                    )
                ),
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_retry_attempts=RETRIES,
                    maximum_event_age_in_seconds=PATIENCE_SECONDS,
                ),
            ),
        )
        schedule.cfn_options.condition = condition
        schedule.node.add_dependency(pipeline, role)

    def _define_scheduler_role(self, pipeline_arn: str) -> iam.Role:
        role = iam.Role(
            self,
            "SchedulerRole",
            description="Lets EventBridge Scheduler start the monitoring pipeline",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            ),
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["sagemaker:StartPipelineExecution"], resources=[pipeline_arn]
            )
        )
        return role
