"""The training pipeline: from raw transactions to a gated, registered model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from aws_cdk import Fn
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from lifecycle.container_image import ContainerImage
from lifecycle.feature_store import FeatureStore
from lifecycle.model_registry import ModelRegistry
from lifecycle.training_roles import TrainingRoles

__all__ = ["FeatureJobConfig", "JobConfig", "TrainingConfig", "TrainingPipeline", "uses_spark"]

ENGINES = ("single", "spark")
# SageMaker's limit for a processing job.
MOST_INSTANCES = 100
APPROVAL_STATUSES = ("PendingManualApproval", "Approved")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureJobConfig:
    """What computes the features: one instance, or Spark on several.

    FeatureJobConfig(engine="spark", instance_count=4, instance_type="ml.r5.2xlarge")

    Attributes:
        engine: `single`, which is the faster one while one instance's disk holds the rows, or
            `spark`. Both write the same rows.
        instance_count: How many instances Spark has; each gets a copy of the raw data.
        instance_type: Their type. If omitted, that of the other processing jobs.
    """

    engine: Literal["single", "spark"] = "single"
    instance_count: int = 1
    instance_type: str | None = None

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise ValueError(
                f"engine must be one of {', '.join(ENGINES)}, got {self.engine}; "
                "use spark for what one instance cannot hold"
            )
        if not 1 <= self.instance_count <= MOST_INSTANCES:
            raise ValueError(
                f"instance_count must be between 1 and {MOST_INSTANCES}, got "
                f"{self.instance_count}; give a whole number"
            )
        if self.engine == "single" and self.instance_count != 1:
            raise ValueError(
                f"instance_count must be 1 with engine single, got {self.instance_count}; "
                "use engine spark for several instances"
            )
        if self.instance_type is not None:
            _check_instance_type("instance_type", self.instance_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobConfig:
    """The compute that the jobs of a pipeline run on.

    Attributes:
        processing_instance_type: Instances of the check, feature, evaluation and baseline jobs.
        training_instance_type: Instance of the training job.
        volume_size_gib: Encrypted storage volume of each job.
        max_runtime_minutes: A job that runs longer is stopped and fails its step.
        cache_days: A step whose inputs are unchanged is not run again for so many days.
        features: The engine of the feature job, and its instances.
    """

    processing_instance_type: str = "ml.m5.xlarge"
    training_instance_type: str = "ml.m5.xlarge"
    volume_size_gib: int = 30
    max_runtime_minutes: int = 120
    cache_days: int = 30
    features: FeatureJobConfig = field(default_factory=FeatureJobConfig)

    def __post_init__(self) -> None:
        for name in ("volume_size_gib", "max_runtime_minutes", "cache_days"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}; give a whole number")
        for name in ("processing_instance_type", "training_instance_type"):
            _check_instance_type(name, getattr(self, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """What the pipeline trains on, and what a model must reach to be registered.

    Attributes:
        train_days: Length of the training window.
        test_days: Length of the test window, the most recent days whose labels are known.
        approval_status: Status of a registered model; `Approved` deploys it without a person.
        average_precision_floor: A model below it is never registered.
        champion_tolerance: How much average precision a challenger may lose to the champion.
        hyperparameters: Passed to training as they are; those not named keep the script's
            defaults.
        jobs: The compute that the jobs run on.
    """

    train_days: int = 60
    test_days: int = 7
    approval_status: str = "PendingManualApproval"
    average_precision_floor: float = 0.3
    champion_tolerance: float = 0.01
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    jobs: JobConfig = field(default_factory=JobConfig)

    def __post_init__(self) -> None:
        for name in ("train_days", "test_days"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}; give a number of days")
        if self.approval_status not in APPROVAL_STATUSES:
            raise ValueError(
                f"approval_status must be one of {', '.join(APPROVAL_STATUSES)}, "
                f"got {self.approval_status}; use PendingManualApproval to have a person approve"
            )
        for name in ("average_precision_floor", "champion_tolerance"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be between 0 and 1, got {value}; use 0 for no limit")


class TrainingPipeline(Construct):
    """Turns raw data into a registered model, or says why there is none.

    Guarantees:
        No model is registered that stays below the floor or loses to the champion.
        Each kind of job runs under a role of its own; the pipeline can pass those roles, and only
        to SageMaker.
        Volumes, outputs and models are encrypted under the given key.
        A step whose inputs, code and settings did not change is not run again.

    Args:
        pipeline_name: Physical name; people and programs start the pipeline by it.
        image: What every job runs. It has Spark if the features are to be computed with it.
        raw_bucket: Transactions, fraud reports and customers.
        features_bucket: Where features land, one prefix per execution.
        artifacts_bucket: Where models, their evaluations and their baselines land.
        feature_store: Where the newest state of every customer and terminal is put.
        registry: Where models are registered, and champions found.
        encryption_key: Key of the buckets, and of the jobs' volumes.
        config: Windows, gate and compute.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pipeline_name: str,
        image: ContainerImage,
        raw_bucket: s3.IBucket,
        features_bucket: s3.IBucket,
        artifacts_bucket: s3.IBucket,
        feature_store: FeatureStore,
        registry: ModelRegistry,
        encryption_key: kms.IKey,
        config: TrainingConfig,
    ) -> None:
        super().__init__(scope, construct_id)
        self.roles = TrainingRoles(
            self,
            "Roles",
            image=image,
            raw_bucket=raw_bucket,
            features_bucket=features_bucket,
            artifacts_bucket=artifacts_bucket,
            feature_store=feature_store,
            registry=registry,
            encryption_key=encryption_key,
        )
        self._values = {
            "ArtifactsBucket": artifacts_bucket.bucket_name,
            "CustomerFeatureGroup": feature_store.customer_group_name,
            "FeatureJobImageUri": image.spark_uri if uses_spark(config) else image.uri,
            "FeaturesBucket": features_bucket.bucket_name,
            "ImageUri": image.uri,
            "KeyArn": encryption_key.key_arn,
            "ModelPackageGroup": registry.group_name,
            "RawBucket": raw_bucket.bucket_name,
            "TerminalFeatureGroup": feature_store.terminal_group_name,
            **self.roles.arns,
        }
        self.pipeline_name = self._define_pipeline(pipeline_name, config, image).ref

    def _define_pipeline(
        self, name: str, config: TrainingConfig, image: ContainerImage
    ) -> sagemaker.CfnPipeline:
        # Here and not above: importing the SageMaker SDK takes seconds.
        from lifecycle.pipeline_definition import training_definition  # noqa: PLC0415

        pipeline = sagemaker.CfnPipeline(
            self,
            "Pipeline",
            pipeline_name=name,
            pipeline_description="Checks data, computes features, trains, evaluates and registers",
            role_arn=self.roles.pipeline.role_arn,
            # Untyped in the CDK: copied as it is, hence CloudFormation's own spelling.
            pipeline_definition={
                "PipelineDefinitionBody": Fn.sub(training_definition(config), self._values)
            },
        )
        # An execution needs the image and whole roles; neither shows in the definition.
        pipeline.node.add_dependency(image, self.roles)
        return pipeline


def uses_spark(config: TrainingConfig) -> bool:
    """Whether the pipeline needs the image that has Spark."""
    return config.jobs.features.engine == "spark"


def _check_instance_type(name: str, value: str) -> None:
    if not value.startswith("ml."):
        raise ValueError(
            f"{name} must be a SageMaker instance type, got {value}; use one like ml.m5.xlarge"
        )
