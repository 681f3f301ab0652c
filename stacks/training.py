"""Stages 2 to 4: features are computed, a model is trained, gated and registered."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from lifecycle.deployment import SeededParameter
from lifecycle.features import FeatureStore
from lifecycle.image import ContainerImage
from lifecycle.lake import DataLake
from lifecycle.registry import ModelRegistry
from lifecycle.training import TrainingPipeline
from pipeline_code.contracts.outputs import Output
from pipeline_code.contracts.resources import Stage
from stacks.environments import Environment

__all__ = ["TrainingStack"]


class TrainingStack(cdk.Stack):
    """The image, the training pipeline, the registry, and the parameter that serving reads."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        lake: DataLake,
        feature_store: FeatureStore,
        revision: str,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=environment.resource_name(Stage.TRAINING),
            description="fraudloop: the image, the training pipeline and the model registry",
            termination_protection=not environment.may_delete_data,
        )
        removal_policy = (
            cdk.RemovalPolicy.DESTROY if environment.may_delete_data else cdk.RemovalPolicy.RETAIN
        )
        self.image = ContainerImage(
            self,
            "Image",
            encryption_key=lake.encryption_key,
            removal_policy=removal_policy,
            variants=environment.training.image_variants,
        )
        self.registry = ModelRegistry(
            self,
            "Registry",
            group_name=environment.model_package_group_name,
            description="Scores card transactions for fraud",
            removal_policy=removal_policy,
        )
        self.training = TrainingPipeline(
            self,
            "Pipeline",
            pipeline_name=environment.training_pipeline_name,
            image=self.image,
            raw_bucket=lake.raw_bucket,
            features_bucket=lake.features_bucket,
            artifacts_bucket=lake.artifacts_bucket,
            feature_store=feature_store,
            registry=self.registry,
            metric_namespace=environment.metric_namespace,
            encryption_key=lake.encryption_key,
            config=environment.training,
            revision=revision,
        )
        self.approved_model = SeededParameter(
            self,
            "ApprovedModel",
            parameter_name=environment.approved_model_parameter_name,
            encryption_key=lake.encryption_key,
            endpoint_name=environment.endpoint_name,
        )
        if environment.endpoint.shadow is not None:
            SeededParameter(
                self,
                "Challenger",
                parameter_name=environment.challenger_parameter_name,
                encryption_key=lake.encryption_key,
            )
        self._define_outputs(environment)

    def _define_outputs(self, environment: Environment) -> None:
        self.pipeline_name = environment.training_pipeline_name
        self.model_package_group_name = environment.model_package_group_name
        self.approved_model_parameter_name = environment.approved_model_parameter_name
        cdk.CfnOutput(self, Output.TRAINING_PIPELINE, value=self.training.pipeline_name)
        cdk.CfnOutput(self, Output.MODEL_PACKAGE_GROUP, value=self.model_package_group_name)
        cdk.CfnOutput(self, Output.IMAGE, value=self.image.uri)
