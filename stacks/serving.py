"""Stage 5: the endpoint that follows the registry's approvals, and batch scoring."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from lifecycle.alarms import AlarmTopic
from lifecycle.batch import BatchScoring
from lifecycle.deployment import ModelDeployment, PackageContract
from lifecycle.endpoint import SelfDeployingEndpoint
from lifecycle.features import FeatureStore
from lifecycle.image import ContainerImage
from lifecycle.lake import DataLake
from lifecycle.registry.spelled_package import schema_version
from pipeline_code.contracts.outputs import Output, queue_output
from pipeline_code.contracts.resources import Stage
from pipeline_code.contracts.schema import SCHEMA_VERSIONS
from pipeline_code.contracts.serving import CAPTURE_CONTRACT
from pipeline_code.features.definitions import CUSTOMER, TERMINAL
from stacks.environments import Environment

__all__ = ["ServingStack"]


class ServingStack(cdk.Stack):
    """The self-deploying endpoint; it exists once a model package is approved."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        lake: DataLake,
        store: FeatureStore,
        image: ContainerImage,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=environment.resource_name(Stage.SERVING),
            description="fraudloop: the endpoint of the approved model, and batch scoring",
        )
        self.alarm_topic = AlarmTopic(
            self,
            "AlarmTopic",
            encryption_key=lake.encryption_key,
            email=environment.monitoring.alarm_email,
        )
        self._environment = environment
        self._approved_package = self._read_parameter(
            "ApprovedModelPackage",
            environment.approved_model_parameter_name,
            "SSM parameter that names the approved model package, or none",
        )
        self.endpoint = self._define_endpoint(lake, store, image)
        BatchScoring(
            self,
            "BatchScoring",
            pipeline_name=environment.batch_pipeline_name,
            approved_package=self._approved_package,
            image=image,
            store=store,
            raw_bucket=lake.raw_bucket,
            artifacts_bucket=lake.artifacts_bucket,
            model_role=self.endpoint.role,
            metric_namespace=environment.metric_namespace,
            encryption_key=lake.encryption_key,
            config=environment.batch_scoring,
        )
        self.deployment = self._define_deployment(lake, image)
        self.alarm_topic.notify_of(*self.deployment.alarms)
        self._define_outputs()

    def _define_deployment(self, lake: DataLake, image: ContainerImage) -> ModelDeployment:
        environment = self._environment
        has_shadow = environment.endpoint.shadow is not None
        return ModelDeployment(
            self,
            "Deployment",
            model_package_group_name=environment.model_package_group_name,
            endpoint_name=environment.endpoint_name,
            parameter_name=environment.approved_model_parameter_name,
            challenger_parameter_name=(
                environment.challenger_parameter_name if has_shadow else None
            ),
            state_parameter_name=environment.deployment_state_parameter_name,
            contract=PackageContract(
                image_repository=image.repository.repository_uri,
                feature_schema_versions=SCHEMA_VERSIONS,
                capture_contract=CAPTURE_CONTRACT,
            ),
            longest_rollout=cdk.Duration.seconds(environment.endpoint.rollout.timeout_seconds),
            artifacts_bucket=lake.artifacts_bucket,
            metric_namespace=environment.metric_namespace,
            encryption_key=lake.encryption_key,
        )

    def _define_endpoint(
        self, lake: DataLake, store: FeatureStore, image: ContainerImage
    ) -> SelfDeployingEndpoint:
        environment = self._environment
        endpoint = SelfDeployingEndpoint(
            self,
            "Endpoint",
            endpoint_name=environment.endpoint_name,
            approved_package=self._approved_package,
            challenger=self._read_challenger(),
            # A model reads the groups of its own package's version, whichever else are alive.
            environment=lambda package: {
                "CUSTOMER_FEATURE_GROUP": store.group_name(CUSTOMER, schema_version(package)),
                "TERMINAL_FEATURE_GROUP": store.group_name(TERMINAL, schema_version(package)),
            },
            metric_namespace=environment.metric_namespace,
            image=image,
            artifacts_bucket=lake.artifacts_bucket,
            captures_bucket=lake.captures_bucket,
            encryption_key=lake.encryption_key,
            topic=self.alarm_topic,
            config=environment.endpoint,
        )
        store.grant_serve(endpoint.role)
        return endpoint

    def _read_challenger(self) -> str | None:
        if self._environment.endpoint.shadow is None:
            return None
        return self._read_parameter(
            "ChallengerModelPackage",
            self._environment.challenger_parameter_name,
            "SSM parameter that spells the challenger's model package, or none",
        )

    def _read_parameter(self, construct_id: str, name: str, description: str) -> str:
        """Its value is read at each deployment; the training stack created the parameter."""
        parameter = cdk.CfnParameter(
            self,
            construct_id,
            type="AWS::SSM::Parameter::Value<String>",
            default=name,
            description=description,
        )
        return parameter.value_as_string

    def _define_outputs(self) -> None:
        environment = self._environment
        queue, failed, undelivered = self.deployment.queue_urls
        cdk.CfnOutput(self, queue_output("Deployment"), value=queue)
        cdk.CfnOutput(self, queue_output("Deployment", "Failures"), value=failed)
        cdk.CfnOutput(self, queue_output("Deployment", "Undelivered"), value=undelivered)
        cdk.CfnOutput(
            self,
            Output.DEPLOYMENT_STATE_PARAMETER,
            value=environment.deployment_state_parameter_name,
        )
        cdk.CfnOutput(self, Output.SERVING_ALARM_TOPIC, value=self.alarm_topic.topic_arn)
        cdk.CfnOutput(self, Output.ENDPOINT, value=environment.endpoint_name)
        rollout = environment.endpoint.rollout
        # What waits for a deployment has to know how long one may take.
        cdk.CfnOutput(self, Output.ROLLOUT_TIMEOUT, value=str(rollout.timeout_seconds))
        cdk.CfnOutput(self, Output.BATCH_PIPELINE, value=environment.batch_pipeline_name)
        cdk.CfnOutput(
            self, Output.APPROVED_MODEL_PARAMETER, value=environment.approved_model_parameter_name
        )
        if environment.endpoint.shadow is not None:
            cdk.CfnOutput(
                self, Output.CHALLENGER_PARAMETER, value=environment.challenger_parameter_name
            )
