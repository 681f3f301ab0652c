"""The daily audit: are the features that the endpoint answered with those of training?"""

from __future__ import annotations

from dataclasses import dataclass, field

from aws_cdk import CfnCondition, Fn
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from constructs import Construct

from lifecycle.container_image import ContainerImage
from lifecycle.feature_store import FeatureStore
from lifecycle.job_requests import Compute
from lifecycle.job_role import JobRole, sagemaker_principal
from lifecycle.parity_alarms import ParityAlarms
from lifecycle.pipeline_schedule import schedule_pipeline
from lifecycle.training_roles import allow_jobs, allow_passing

__all__ = ["ParityAudit", "ParityAuditConfig"]

REPORTS_PREFIX = "monitoring/parity/"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityAuditConfig:
    """When, and how much of it, the endpoint's traffic is audited.

    Attributes:
        schedule: A cron or rate expression that starts the audit of the last 24 hours, in UTC. If
            None, it runs when somebody starts it.
        sample: At most so many requests are audited.
        settle_minutes: Requests of the last so many minutes wait for the next audit: their events
            and records have to land first.
        lookback_days: How far back stored states are looked for whose answer equals batch's; one
            that differs is looked into however old its state.
        missing_data_days: Days without any audited request before the alarm for missing data.
        compute: What the audit runs on.
    """

    schedule: str | None = "cron(15 4 * * ? *)"
    sample: int = 500
    settle_minutes: int = 120
    lookback_days: int = 2
    missing_data_days: int = 2
    compute: Compute = field(
        default_factory=lambda: Compute(
            instance_type="ml.m5.xlarge", volume_size_gib=30, max_runtime_minutes=120
        )
    )

    def __post_init__(self) -> None:
        if self.schedule is not None and not self.schedule.startswith(("cron(", "rate(")):
            raise ValueError(
                f"schedule must be a cron(...) or rate(...) expression, got {self.schedule}; "
                "use one like cron(15 4 * * ? *)"
            )
        for name, least in (("sample", 1), ("settle_minutes", 0), ("lookback_days", 0)):
            value = getattr(self, name)
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}; give a number")
        if not 1 <= self.missing_data_days <= 7:  # noqa: PLR2004 - CloudWatch looks back no further
            raise ValueError(
                f"missing_data_days must be between 1 and 7, got {self.missing_data_days}; "
                "CloudWatch evaluates a week at most"
            )


class ParityAudit(Construct):
    """Recomputes what the endpoint answered, from the offline store and from the raw lake.

    Guarantees:
        The audit reads captures, raw data and the offline store, writes its reports, and can
        change nothing of what it audits.
        The pipeline can start processing jobs as the auditor and nothing else; the scheduler can
        start this pipeline and nothing else.
        While no model is approved, nothing runs by itself and nothing is an alarm.

    Args:
        pipeline_name: Physical name; people start it with `AuditHours`.
        condition: When there is an endpoint.
        endpoint_name: The endpoint whose answers are audited.
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
        values = {
            "AuditorRoleArn": auditor.role_arn,
            "CapturesUri": captures_bucket.s3_url_for_object(f"{endpoint_name}/{variant_name}"),
            "CustomerFeatureGroup": store.customer_group_name,
            "EndpointName": endpoint_name,
            "ImageUri": image.uri,
            "KeyArn": encryption_key.key_arn,
            "MetricNamespace": metric_namespace,
            "RawBucket": raw_bucket.bucket_name,
            "ReportsUri": reports_uri,
            "TerminalFeatureGroup": store.terminal_group_name,
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
        # Here and not above: importing the SageMaker SDK takes seconds.
        from lifecycle.parity_definition import parity_definition  # noqa: PLC0415

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
