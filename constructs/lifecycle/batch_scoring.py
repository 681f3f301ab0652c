"""Offline scoring: a pipeline of one Batch Transform step."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Fn
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from lifecycle.job_role import grant_read_objects, grant_write_objects, sagemaker_principal
from lifecycle.training_roles import allow_jobs

__all__ = ["BATCH_PREFIX", "BatchScoring", "BatchScoringConfig"]

BATCH_PREFIX = "batch/"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchScoringConfig:
    """The compute of a batch.

    Attributes:
        instance_type: Type of each instance.
        instance_count: Instances that share the files.
    """

    instance_type: str = "ml.m5.large"
    instance_count: int = 1

    def __post_init__(self) -> None:
        if self.instance_count < 1:
            raise ValueError(
                f"instance_count must be at least 1, got {self.instance_count}; give a number"
            )
        if not self.instance_type.startswith("ml."):
            raise ValueError(
                f"instance_type must be a SageMaker instance type, got {self.instance_type}; "
                "use one like ml.m5.large"
            )


class BatchScoring(Construct):
    """Scores CSV feature rows in S3 with a deployed model: one score a line, in the lines' order.

    Start it with `ModelName`, `InputDataUri` and `OutputDataUri`; both URIs are prefixes below
    `batch/` of the bucket.

    Guarantees:
        Answers and volumes are encrypted under the given key.
        The pipeline can start transform jobs and nothing else.

    Args:
        pipeline_name: Physical name; people and programs start the pipeline by it.
        bucket: Where feature rows are read and scores are left, below `batch/`.
        model_role: The models' execution role; SageMaker moves a transform's data as this role.
        encryption_key: Key of the bucket and of the jobs' volumes.
        config: The compute.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pipeline_name: str,
        bucket: s3.IBucket,
        model_role: iam.IRole,
        encryption_key: kms.IKey,
        config: BatchScoringConfig,
    ) -> None:
        super().__init__(scope, construct_id)
        # Here and not above: importing the SageMaker SDK takes seconds.
        from lifecycle.batch_definition import batch_definition  # noqa: PLC0415

        grant_read_objects(model_role, bucket, encryption_key, BATCH_PREFIX)
        grant_write_objects(model_role, bucket, encryption_key, BATCH_PREFIX)
        role = iam.Role(
            self,
            "Role",
            description="Starts batch transform jobs",
            assumed_by=sagemaker_principal(self),
        )
        allow_jobs(role, "transform-job")
        pipeline = sagemaker.CfnPipeline(
            self,
            "Pipeline",
            pipeline_name=pipeline_name,
            pipeline_description="Scores files of feature rows with a deployed model",
            role_arn=role.role_arn,
            # Untyped in the CDK: copied as it is, hence CloudFormation's own spelling.
            pipeline_definition={
                "PipelineDefinitionBody": Fn.sub(
                    batch_definition(config), {"KeyArn": encryption_key.key_arn}
                )
            },
        )
        pipeline.node.add_dependency(role)
        self.pipeline_name = pipeline.ref
