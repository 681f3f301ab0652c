"""Labels that come late: fraud reports are joined with the predictions that they judge, daily."""

from __future__ import annotations

from aws_cdk import CfnCondition, Fn
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from lifecycle.image.container_image import ContainerImage
from lifecycle.jobs.job_role import JobRole, sagemaker_principal
from lifecycle.jobs.pipeline_schedule import schedule_pipeline
from lifecycle.monitoring.analyzer import GROUND_TRUTH_PREFIX, Analyzer
from lifecycle.monitoring.config import DAY_HOURS, MonitoringConfig
from lifecycle.monitoring.label_definition import label_definition
from lifecycle.training.roles import allow_jobs, allow_passing
from pipeline_code.contracts.pipelines import PipelineParameter

__all__ = ["LabelPipeline"]

# With the hour, after the landing's own work at the full hour.
MINUTE = 20


class LabelPipeline(Construct):
    """Writes the ground truth of captured predictions, as soon as they are old enough to be judged.

    It is a pipeline under both engines: Model Monitor takes ground truth, but makes none.

    Guarantees:
        The job reads captures, transactions and fraud reports, and writes ground truth of this
        endpoint and nothing else.
        The pipeline can start processing jobs as the labeler and nothing else; the scheduler can
        start this pipeline and nothing else.
        While no model is approved, nothing runs by itself.

    Args:
        pipeline_name: Physical name; operators start it, with `LookBackHours` if they want to.
        analyzer: Who reads the labels; it says of which captures they are, and where they go.
        image: What the job runs.
        raw_bucket: The lake's transactions and fraud reports.
        captures_bucket: Where the captures are, below the endpoint's name.
        artifacts_bucket: Where the labels go.
        encryption_key: Key of the buckets and of the job's volume.
        config: When it runs, on what, and how long labels take.
        condition: When there is an endpoint.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pipeline_name: str,
        analyzer: Analyzer,
        image: ContainerImage,
        raw_bucket: s3.IBucket,
        captures_bucket: s3.IBucket,
        artifacts_bucket: s3.IBucket,
        encryption_key: kms.IKey,
        config: MonitoringConfig,
        condition: CfnCondition,
    ) -> None:
        super().__init__(scope, construct_id)
        self.pipeline_name = pipeline_name
        self._config = config
        # What is looked at for the last time is judged once more before.
        self._look_back = str(config.schedules.labelled_hours + DAY_HOURS)
        endpoint = f"{analyzer.endpoint_name}/"
        self.role = JobRole(
            self,
            "LabelerRole",
            image=image,
            encryption_key=encryption_key,
            description="Joins fraud reports with the predictions that they judge",
        )
        self.role.read(captures_bucket, endpoint)
        self.role.read(raw_bucket, "transactions/", "fraud_reports/")
        # A file that says the same as before is not written again.
        self.role.read(artifacts_bucket, f"{GROUND_TRUTH_PREFIX}{endpoint}")
        self.role.write(artifacts_bucket, f"{GROUND_TRUTH_PREFIX}{endpoint}")
        self.role.publish_metrics(analyzer.metric_namespace)
        pipeline = self._define_pipeline(analyzer, raw_bucket)
        schedule_pipeline(
            self,
            pipeline,
            pipeline_name=pipeline_name,
            expression=f"cron({MINUTE} {config.schedules.labels_hour} * * ? *)",
            description="Has fraud reports joined with the predictions that they judge",
            parameters={PipelineParameter.LOOK_BACK_HOURS: self._look_back},
            condition=condition,
        )

    def _define_pipeline(self, analyzer: Analyzer, raw_bucket: s3.IBucket) -> sagemaker.CfnPipeline:
        starter = iam.Role(
            self,
            "Role",
            description="Starts the labeler",
            assumed_by=sagemaker_principal(self),
        )
        allow_jobs(starter, "processing-job")
        allow_passing(starter, [self.role.role_arn])
        values = {
            "CapturesUri": analyzer.captures_uri,
            "EndpointName": analyzer.endpoint_name,
            "GroundTruthUri": analyzer.ground_truth_uri,
            "ImageUri": analyzer.image_uri,
            "KeyArn": analyzer.key_arn,
            "LabelDelayDays": str(self._config.schedules.label_delay_days),
            "LabelerRoleArn": self.role.role_arn,
            "LookBackHours": self._look_back,
            "MetricNamespace": analyzer.metric_namespace,
            "RawUri": f"{raw_bucket.s3_url_for_object()}/",
        }
        pipeline = sagemaker.CfnPipeline(
            self,
            "Pipeline",
            pipeline_name=self.pipeline_name,
            pipeline_description="Joins fraud reports with the predictions that they judge",
            role_arn=starter.role_arn,
            # Untyped in the CDK: copied as it is, hence CloudFormation's own spelling.
            pipeline_definition={
                "PipelineDefinitionBody": Fn.sub(label_definition(self._config.compute), values)
            },
        )
        pipeline.node.add_dependency(starter, self.role)
        return pipeline
