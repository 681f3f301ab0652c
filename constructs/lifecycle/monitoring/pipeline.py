"""The `scheduled` engine: EventBridge Scheduler starts the analyzer as SageMaker pipelines."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import CfnCondition, Fn
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from lifecycle.jobs.job_role import sagemaker_principal
from lifecycle.jobs.pipeline_schedule import schedule_pipeline
from lifecycle.monitoring.analyzer import Analyzer
from lifecycle.monitoring.config import MonitoringConfig
from lifecycle.monitoring.definition import monitoring_definition
from lifecycle.training.roles import allow_jobs, allow_passing
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.contracts.pipelines import PipelineParameter

__all__ = ["MonitoringPipelines"]

# Five past: SageMaker delivers captures within minutes.
MINUTE = 5
# The first kind's pipeline is older than the others and stays where it was.
_IDS = {
    MonitorKind.MODEL_QUALITY: "ModelQuality",
    MonitorKind.BIAS: "Bias",
    MonitorKind.ATTRIBUTION: "Attribution",
}


class MonitoringPipelines(Construct):
    """Analyzes captures when due, in any account, by a pipeline for each kind.

    Guarantees:
        A pipeline can start processing jobs as the analyzer and nothing else; a scheduler can start
        its pipeline and nothing else.

    Args:
        names: Physical names by kind; a run on demand starts one with `AnalysisHours`.
        analyzer: What runs.
        config: When it runs, on what, and how far back it looks.
        condition: When there is an endpoint; without one every run would fail for lack of captures.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Mapping[MonitorKind, str],
        analyzer: Analyzer,
        config: MonitoringConfig,
        condition: CfnCondition,
    ) -> None:
        super().__init__(scope, construct_id)
        self._analyzer = analyzer
        self._config = config
        self._role = self._define_role()
        for kind, hour in config.schedules.hours.items():
            place = Construct(self, _IDS[kind]) if kind in _IDS else self
            pipeline = self._define_pipeline(place, kind, names[kind])
            schedule_pipeline(
                place,
                pipeline,
                pipeline_name=names[kind],
                expression=f"cron({MINUTE} {'*' if hour is None else hour} * * ? *)",
                description=f"Has the analyzer compare captures with the baseline: {kind}",
                parameters={
                    PipelineParameter.ANALYSIS_HOURS: str(config.schedules.look_back_hours[kind])
                },
                condition=condition,
            )

    def _define_role(self) -> iam.Role:
        role = iam.Role(
            self,
            "Role",
            description="Starts the analyzer",
            assumed_by=sagemaker_principal(self),
        )
        allow_jobs(role, "processing-job")
        allow_passing(role, [self._analyzer.role.role_arn])
        return role

    def _define_pipeline(
        self, place: Construct, kind: MonitorKind, name: str
    ) -> sagemaker.CfnPipeline:
        text = monitoring_definition(self._config.compute)
        pipeline = sagemaker.CfnPipeline(
            place,
            "Pipeline",
            pipeline_name=name,
            pipeline_description=f"Compares captured traffic with the model's baseline: {kind}",
            role_arn=self._role.role_arn,
            # Untyped in the CDK: copied as it is, hence CloudFormation's own spelling.
            pipeline_definition={"PipelineDefinitionBody": Fn.sub(text, self._values(kind, name))},
        )
        pipeline.node.add_dependency(self._role, self._analyzer.role)
        return pipeline

    def _values(self, kind: MonitorKind, name: str) -> dict[str, str]:
        analyzer = self._analyzer
        return {
            "AnalyzerRoleArn": analyzer.role.role_arn,
            "BaselineUri": analyzer.baseline_uri(kind),
            "CapturesUri": analyzer.captures_uri,
            "EndpointName": analyzer.endpoint_name,
            "GroundTruthUri": analyzer.ground_truth_uri,
            "ImageUri": analyzer.image_uri,
            "KeyArn": analyzer.key_arn,
            "Kind": kind.value,
            "LookBackHours": str(self._config.schedules.look_back_hours[kind]),
            "MetricNamespace": analyzer.metric_namespace,
            "ModelDataUri": analyzer.model_data_uri,
            "ModelDigest": analyzer.model_digest,
            "ModelVersion": analyzer.model_version,
            "PipelineName": name,
            "ReportsUri": analyzer.reports_uri,
            "SchemaVersion": analyzer.schema_version,
        }
