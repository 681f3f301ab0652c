"""The training pipeline: from raw transactions to a gated, registered model."""

from __future__ import annotations

from aws_cdk import Fn
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from lifecycle.features.feature_store import FeatureStore
from lifecycle.image.container_image import ContainerImage
from lifecycle.image.image_build import Variant
from lifecycle.registry.model_registry import ModelRegistry
from lifecycle.training.config import TrainingConfig
from lifecycle.training.pipeline_definition import training_definition
from lifecycle.training.roles import TrainingRoles

__all__ = ["TrainingPipeline"]


class TrainingPipeline(Construct):
    """Turns raw data into a registered model, or says why there is none.

    Guarantees:
        No model is registered that misses one of the gate's limits.
        Each kind of job runs under a role of its own; the pipeline can pass those roles, and only
        to SageMaker.
        Volumes, outputs and models are encrypted under the given key.
        A step whose inputs, code and settings did not change is not run again.

    Args:
        pipeline_name: Physical name; people and programs start the pipeline by it.
        image: What every job runs, with the variants that the configuration needs.
        raw_bucket: Transactions and fraud reports.
        features_bucket: Where features land, one prefix per execution.
        artifacts_bucket: Where models, their evaluations and their baselines land.
        feature_store: Where the newest state of every customer and terminal is put.
        registry: Where models are registered, and champions found.
        metric_namespace: Where jobs count what they do.
        encryption_key: Key of the buckets, and of the jobs' volumes.
        config: Windows, gate and compute.
        revision: Of the code; it is kept with every model.
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
        metric_namespace: str,
        encryption_key: kms.IKey,
        config: TrainingConfig,
        revision: str,
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
            checkpoints=config.jobs.training.checkpoints and config.tuning is None,
            tuning=config.tuning is not None,
            approval_status=config.approval_status,
        )
        self._values = {
            "ArtifactsBucket": artifacts_bucket.bucket_name,
            "FeatureGroupPattern": feature_store.group_pattern,
            "FeatureJobImageUri": _image_uri(image, config, "spark"),
            "FeaturesBucket": features_bucket.bucket_name,
            "ImageTag": image.tag,
            "ImageUri": image.uri,
            "KeyArn": encryption_key.key_arn,
            "MetricNamespace": metric_namespace,
            "ModelPackageGroup": registry.group_name,
            "RawBucket": raw_bucket.bucket_name,
            "StoreReads": str(feature_store.reads.materializing),
            "TrainingImageUri": _image_uri(image, config, "cuda"),
            **self.roles.arns,
        }
        definition = training_definition(config, revision=revision)
        self.pipeline_name = self._define_pipeline(pipeline_name, definition, image).ref

    def _define_pipeline(
        self, name: str, definition: str, image: ContainerImage
    ) -> sagemaker.CfnPipeline:
        # Some settings leave a placeholder out, and CloudFormation minds a value without one.
        values = {key: value for key, value in self._values.items() if f"${{{key}}}" in definition}
        pipeline = sagemaker.CfnPipeline(
            self,
            "Pipeline",
            pipeline_name=name,
            pipeline_description="Checks data, computes features, trains, evaluates and registers",
            role_arn=self.roles.pipeline.role_arn,
            # Untyped in the CDK: copied as it is, hence CloudFormation's own spelling.
            pipeline_definition={"PipelineDefinitionBody": Fn.sub(definition, values)},
        )
        # An execution needs the image and whole roles; neither shows in the definition.
        pipeline.node.add_dependency(image, self.roles)
        return pipeline


def _image_uri(image: ContainerImage, config: TrainingConfig, variant: Variant) -> str:
    return image.variant_uri(variant) if variant in config.image_variants else image.uri
