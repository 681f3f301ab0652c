"""The daily audit: are the features that the endpoint answered with those of training?"""

from __future__ import annotations

from aws_cdk import CfnCondition, Fn
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from constructs import Construct

from lifecycle.features.feature_store import FeatureStore
from lifecycle.image.container_image import ContainerImage
from lifecycle.jobs.job_role import JobRole, sagemaker_principal
from lifecycle.jobs.pipeline_schedule import schedule_pipeline
from lifecycle.parity.alarms import ParityAlarms
from lifecycle.parity.config import ParityAuditConfig
from lifecycle.parity.definition import parity_definition
from lifecycle.registry.spelled_package import part, schema_version
from lifecycle.training.roles import allow_jobs, allow_passing
from pipeline_code.features.definitions import CUSTOMER, TERMINAL

__all__ = ["ParityAudit"]

REPORTS_PREFIX = "monitoring/parity/"


class ParityAudit(Construct):
    """Recomputes what the endpoint answered, from the offline store and from the raw lake.

    Guarantees:
        The audit reads captures, raw data and the offline store, writes its reports, and can
        change nothing of what it audits.
        The pipeline can start processing jobs as the auditor and nothing else; the scheduler can
        start this pipeline and nothing else.
        While no model is approved, nothing runs by itself and nothing is an alarm.

    Args:
        pipeline_name: Physical name; operators start it with `AuditHours`.
        condition: When there is an endpoint.
        approved_package: The approved model package as its parameter spells it, or `none`; audited
            are responses of its version of the features.
        endpoint_name: The endpoint whose responses are audited.
        variant_name: Its production variant.
        metric_namespace: CloudWatch namespace of the audit's metrics.
        image: What the job runs.
        store: The feature groups.
        raw_bucket: The lake's transactions and fraud reports.
        captures_bucket: Where the endpoint's captures are, below its name.
        artifacts_bucket: Where the reports go.
        encryption_key: Key of the buckets and of the job's volume.
        topic: Where alarms go.
        config: Schedule, sample and compute.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pipeline_name: str,
        condition: CfnCondition,
        approved_package: str,
        endpoint_name: str,
        variant_name: str,
        metric_namespace: str,
        image: ContainerImage,
        store: FeatureStore,
        raw_bucket: s3.IBucket,
        captures_bucket: s3.IBucket,
        artifacts_bucket: s3.IBucket,
        encryption_key: kms.IKey,
        topic: sns.ITopic,
        config: ParityAuditConfig,
    ) -> None:
        super().__init__(scope, construct_id)
        self.pipeline_name = pipeline_name
        auditor = self._define_auditor(image, encryption_key)
        auditor.read(captures_bucket, f"{endpoint_name}/")
        auditor.read(raw_bucket, "transactions/", "fraud_reports/")
        auditor.write(artifacts_bucket, REPORTS_PREFIX)
        auditor.publish_metrics(metric_namespace)
        store.grant_read_history(auditor)
        reports_uri = artifacts_bucket.s3_url_for_object(REPORTS_PREFIX.rstrip("/"))
        version = schema_version(approved_package)
        values = {
            "AuditorRoleArn": auditor.role_arn,
            "CapturesUri": captures_bucket.s3_url_for_object(f"{endpoint_name}/{variant_name}"),
            "CustomerFeatureGroup": store.group_name(CUSTOMER, version),
            "EndpointName": endpoint_name,
            "ImageUri": image.uri,
            "KeyArn": encryption_key.key_arn,
            "MetricNamespace": metric_namespace,
            "ModelVersion": part(approved_package, "model_package"),
            "RawBucket": raw_bucket.bucket_name,
            "ReportsUri": reports_uri,
            "SchemaVersion": version,
            "TerminalFeatureGroup": store.group_name(TERMINAL, version),
        }
        pipeline = self._define_pipeline(auditor, config, values)
        self.alarms = ParityAlarms(
            self,
            "Alarms",
            endpoint_name=endpoint_name,
            metric_namespace=metric_namespace,
            reports=reports_uri,
            topic=topic,
        )
        if config.schedule is not None:
            self._run_on(config.schedule, pipeline, config, condition)

    def _define_auditor(self, image: ContainerImage, encryption_key: kms.IKey) -> JobRole:
        return JobRole(
            self,
            "AuditorRole",
            image=image,
            encryption_key=encryption_key,
            description="Compares the features of captured answers with training's",
        )

    def _define_pipeline(
        self, auditor: JobRole, config: ParityAuditConfig, values: dict[str, str]
    ) -> sagemaker.CfnPipeline:
        role = iam.Role(
            self,
            "Role",
            description="Starts the parity audit",
            assumed_by=sagemaker_principal(self),
        )
        allow_jobs(role, "processing-job")
        allow_passing(role, [auditor.role_arn])
        pipeline = sagemaker.CfnPipeline(
            self,
            "Pipeline",
            pipeline_name=self.pipeline_name,
            pipeline_description="Compares the features of captured answers with training's",
            role_arn=role.role_arn,
            # Untyped in the CDK: copied as it is, hence CloudFormation's own spelling.
            pipeline_definition={
                "PipelineDefinitionBody": Fn.sub(parity_definition(config), values)
            },
        )
        pipeline.node.add_dependency(role, auditor)
        return pipeline

    def _run_on(
        self,
        expression: str,
        pipeline: sagemaker.CfnPipeline,
        config: ParityAuditConfig,
        condition: CfnCondition,
    ) -> None:
        schedule_pipeline(
            self,
            pipeline,
            pipeline_name=self.pipeline_name,
            expression=expression,
            description="Has the features of the last day's answers audited",
            parameters={"AuditHours": "24"},
            condition=condition,
        )
        self.alarms.watch_for_silence(config.missing_data_days, condition)
