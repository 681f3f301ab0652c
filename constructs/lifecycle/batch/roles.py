"""The roles of batch scoring: one per step, and one that starts them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from lifecycle.deployment.model_deployment import BASELINE_PREFIX
from lifecycle.features.feature_store import FeatureStore
from lifecycle.image.container_image import ContainerImage
from lifecycle.jobs.job_role import JobRole, sagemaker_principal
from lifecycle.lake.data_lake import BATCH_WORK_PREFIX
from lifecycle.monitoring.analyzer import allow_telling
from lifecycle.training.roles import allow_jobs, allow_passing

__all__ = ["BATCH_PREFIX", "BatchRoles"]

# Of the artifacts bucket: what is asked about and what comes of it; below it, what lies between.
BATCH_PREFIX = "batch/"


class BatchRoles(Construct):
    """The roles of the batch-scoring pipeline.

    Guarantees:
        Features are computed by who reads the lake and the offline store, and changes neither; the
        model, which sees features only, is read by another role.
        The pipeline can start these jobs and nothing else.

    Args:
        image: What every step but scoring runs.
        store: The feature groups, whose offline stores are read.
        raw_bucket: The lake's transactions and fraud reports.
        artifacts_bucket: Batches, and the deployed model's baseline.
        metric_namespace: CloudWatch namespace of the monitor's metrics.
        encryption_key: Key of the buckets, and of the jobs' volumes.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        image: ContainerImage,
        store: FeatureStore,
        raw_bucket: s3.IBucket,
        artifacts_bucket: s3.IBucket,
        metric_namespace: str,
        encryption_key: kms.IKey,
    ) -> None:
        super().__init__(scope, construct_id)
        self._image = image
        self._key = encryption_key

        self.features = self._define_job_role("Features", "Computes a batch's features")
        self.features.read(artifacts_bucket, BATCH_PREFIX)
        self.features.read(raw_bucket, "transactions/", "fraud_reports/")
        self.features.write(artifacts_bucket, BATCH_WORK_PREFIX)
        store.grant_read_history(self.features)

        self.results = self._define_job_role("Results", "Puts a batch's results together")
        self.results.read(artifacts_bucket, BATCH_WORK_PREFIX)
        self.results.write(artifacts_bucket, BATCH_PREFIX)

        self.monitor = self._define_job_role("Monitor", "Compares a batch with the baseline")
        self.monitor.read(artifacts_bucket, BATCH_WORK_PREFIX, BASELINE_PREFIX)
        self.monitor.write(artifacts_bucket, BATCH_PREFIX)
        self.monitor.publish_metrics(metric_namespace)
        allow_telling(self.monitor)

        self.pipeline = self._define_pipeline_role()

    @property
    def arns(self) -> Mapping[str, str]:
        """The jobs' roles, by the placeholders of the pipeline's definition."""
        return MappingProxyType(
            {
                "FeaturesRoleArn": self.features.role_arn,
                "MonitorRoleArn": self.monitor.role_arn,
                "ResultsRoleArn": self.results.role_arn,
            }
        )

    def _define_job_role(self, construct_id: str, description: str) -> JobRole:
        return JobRole(
            self,
            construct_id,
            image=self._image,
            encryption_key=self._key,
            description=description,
        )

    def _define_pipeline_role(self) -> iam.Role:
        role = iam.Role(
            self,
            "Pipeline",
            description="Starts the jobs of batch scoring",
            assumed_by=sagemaker_principal(self),
        )
        allow_jobs(role, "processing-job", "transform-job")
        allow_passing(role, list(self.arns.values()))
        return role
