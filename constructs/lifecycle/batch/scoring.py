"""Offline scoring: features, Batch Transform, results and the monitor, as a pipeline."""

from __future__ import annotations

from aws_cdk import Fn
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from lifecycle.batch.config import BatchScoringConfig
from lifecycle.batch.definition import batch_definition
from lifecycle.batch.roles import BATCH_PREFIX, BatchRoles
from lifecycle.features.feature_store import FeatureStore
from lifecycle.image.container_image import ContainerImage
from lifecycle.jobs.execution_role import allow_log, allow_metrics, allow_volume
from lifecycle.jobs.job_role import grant_read_objects, grant_write_objects
from lifecycle.lake.data_lake import BATCH_WORK_PREFIX
from lifecycle.monitoring.analyzer import baseline_folder
from lifecycle.registry.spelled_package import schema_version
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.features.definitions import CUSTOMER, TERMINAL

__all__ = ["BATCH_PREFIX", "BatchScoring", "BatchScoringConfig"]


class BatchScoring(Construct):
    """Scores files of raw transactions as the endpoint would, and leaves a row for each of them.

    Start it with `ModelName`, `InputDataUri` and `OutputDataUri`. The input is a prefix below
    `batch/` of the artifacts bucket or below `transactions/` of the raw bucket; the output one
    below `batch/` that is empty.

    Guarantees:
        What each step reads and writes, and its volume, is encrypted under the given key.
        A step that calls nothing in AWS has no network.
        The pipeline can start its own jobs and nothing else.

    Args:
        pipeline_name: Physical name; people and programs start the pipeline by it, and the
            monitor's metrics carry it.
        approved_package: The approved model package as its parameter spells it, or `none`. Features
            are those of its version, and the monitor compares batches with its baseline.
        image: What the steps around scoring run.
        store: The feature groups.
        raw_bucket: The lake's transactions and fraud reports.
        artifacts_bucket: Where batches are read and left, below `batch/`.
        model_role: The models' execution role; SageMaker moves a transform's data as this role.
        metric_namespace: CloudWatch namespace of the monitor's metrics.
        encryption_key: Key of the buckets and of the jobs' volumes.
        config: The compute and limits.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pipeline_name: str,
        approved_package: str,
        image: ContainerImage,
        store: FeatureStore,
        raw_bucket: s3.IBucket,
        artifacts_bucket: s3.IBucket,
        model_role: iam.Role,
        metric_namespace: str,
        encryption_key: kms.IKey,
        config: BatchScoringConfig,
    ) -> None:
        super().__init__(scope, construct_id)
        grant_read_objects(model_role, artifacts_bucket, encryption_key, BATCH_WORK_PREFIX)
        grant_write_objects(model_role, artifacts_bucket, encryption_key, BATCH_WORK_PREFIX)
        # SageMaker runs a transform as the model's role: its volumes, log and metrics as well.
        allow_volume(model_role, encryption_key)
        allow_log(model_role, "/aws/sagemaker/TransformJobs")
        allow_metrics(model_role, "/aws/sagemaker/TransformJobs")
        roles = BatchRoles(
            self,
            "Roles",
            image=image,
            store=store,
            raw_bucket=raw_bucket,
            artifacts_bucket=artifacts_bucket,
            metric_namespace=metric_namespace,
            encryption_key=encryption_key,
        )
        version = schema_version(approved_package)
        values = {
            **roles.arns,
            "BaselineUri": f"{baseline_folder(artifacts_bucket, approved_package)}"
            f"{MonitorKind.DATA_QUALITY}/",
            "CustomerFeatureGroup": store.group_name(CUSTOMER, version),
            "ImageUri": image.uri,
            "KeyArn": encryption_key.key_arn,
            "MetricNamespace": metric_namespace,
            "PipelineName": pipeline_name,
            "RawBucket": raw_bucket.bucket_name,
            "SchemaVersion": version,
            "TerminalFeatureGroup": store.group_name(TERMINAL, version),
            "WorkUri": artifacts_bucket.s3_url_for_object(BATCH_WORK_PREFIX.rstrip("/")),
        }
        pipeline = sagemaker.CfnPipeline(
            self,
            "Pipeline",
            pipeline_name=pipeline_name,
            pipeline_description="Scores files of transactions with a deployed model",
            role_arn=roles.pipeline.role_arn,
            # Untyped in the CDK: copied as it is, hence CloudFormation's own spelling.
            pipeline_definition={
                "PipelineDefinitionBody": Fn.sub(batch_definition(config), values)
            },
        )
        pipeline.node.add_dependency(roles)
        self.pipeline_name = pipeline.ref
