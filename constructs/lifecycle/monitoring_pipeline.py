"""The `scheduled` engine: EventBridge Scheduler starts the analyzer as a SageMaker pipeline."""

from __future__ import annotations

from aws_cdk import CfnCondition, Fn
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from lifecycle.analyzer import Analyzer
from lifecycle.job_requests import Compute
from lifecycle.job_role import sagemaker_principal
from lifecycle.pipeline_schedule import schedule_pipeline
from lifecycle.training_roles import allow_jobs, allow_passing

__all__ = ["MonitoringPipeline"]


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
        schedule_pipeline(
            self,
            pipeline,
            pipeline_name=pipeline_name,
            # Five past: SageMaker delivers captures within minutes.
            expression="cron(5 * * * ? *)",
            description="Has the analyzer compare the last hour's captures with the baseline",
            parameters={"AnalysisHours": "1"},
            condition=condition,
        )

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
