"""The real-time endpoint: it exists once a model is approved, and follows the approvals."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aws_cdk import Aws, CfnCondition, Fn, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from lifecycle.alarms.alarm_topic import AlarmTopic
from lifecycle.endpoint.alarms import EndpointAlarms
from lifecycle.endpoint.config import VARIANT_NAME, EndpointConfig
from lifecycle.endpoint.role import EndpointRole
from lifecycle.endpoint.rollout import deployment_config
from lifecycle.endpoint.scaling import EndpointScaling
from lifecycle.endpoint.shadow import (
    CHALLENGER_VARIANT,
    ShadowConfig,
    challenger_container,
    shadow_condition,
    shadow_variants,
)
from lifecycle.endpoint.variants import (
    capture_everything,
    define_model,
    name_after,
    packaged_container,
    production_variant,
)
from lifecycle.image.container_image import ContainerImage
from lifecycle.jobs.job_requests import REGION_VARIABLE
from lifecycle.registry.spelled_package import part
from pipeline_code.contracts.packages import NO_MODEL

__all__ = ["SelfDeployingEndpoint"]


class SelfDeployingEndpoint(Construct):
    """Hosts the approved model package and captures all that it is asked and answers.

    Guarantees:
        While no package is approved there is no model, no endpoint and nothing to pay.
        A new package reaches the same endpoint in the rollout's steps; an alarm rolls it back.
        An update keeps the instances that scaling added.
        Names of models and configurations begin with the endpoint's.
        A challenger's responses are captured, and given to nobody.
        Captures, the fleet's volumes and what the servers log are encrypted under the given key.
        Without instances nothing is captured, nothing is shifted in steps, and alarms only notify:
        SageMaker has none of it there.

    Args:
        endpoint_name: Physical name; it names no version.
        approved_package: The approved model package, as `pipeline_code.contracts.packages` spells
            it, or `none`; a deploy-time value.
        challenger: The package in the shadow, spelled likewise. It is given if, and only if, the
            configuration has a shadow.
        environment: The container's variables beside the package, of a package as it is spelled.
        metric_namespace: Where the server publishes its metrics.
        image: The image that packages name.
        artifacts_bucket: Where model artifacts are, below `models/`.
        captures_bucket: Where captures land, at `<endpoint>/<variant>/yyyy/mm/dd/hh`.
        encryption_key: Key of captures and volumes.
        topic: Who is told of alarms.
        config: Compute, scaling, rollout, health and shadow.

    Raises:
        ValueError: If there is a shadow without a challenger's parameter, or the other way round.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        approved_package: str,
        challenger: str | None = None,
        environment: Callable[[str], Mapping[str, str]],
        metric_namespace: str,
        image: ContainerImage,
        artifacts_bucket: s3.IBucket,
        captures_bucket: s3.IBucket,
        encryption_key: kms.IKey,
        topic: AlarmTopic,
        config: EndpointConfig,
    ) -> None:
        super().__init__(scope, construct_id)
        self.endpoint_name = endpoint_name
        self._config = config
        self._key = encryption_key
        self._approved = approved_package
        self._variables = environment
        self._environment = {
            **config.server.variables(),
            "METRIC_NAMESPACE": metric_namespace,
            # Hosting sets no region (sagemaker-containers #112), and the feature store needs one.
            REGION_VARIABLE: Aws.REGION,
        }
        self._condition = CfnCondition(
            self,
            "Approved",
            expression=Fn.condition_not(Fn.condition_equals(approved_package, NO_MODEL)),
        )
        log_group = self._define_log_group()
        self.role = EndpointRole(
            self,
            "Role",
            endpoint_name=endpoint_name,
            log_group=log_group,
            image=image,
            artifacts_bucket=artifacts_bucket,
            captures_bucket=captures_bucket,
            encryption_key=encryption_key,
        )
        endpoint_config = self._define_endpoint_config(captures_bucket)
        self._define_shadow(endpoint_config, challenger)
        self.alarms = self._define_alarms(metric_namespace, topic)
        endpoint = self._define_endpoint(endpoint_config)
        if config.serverless is None:
            self._guard_fleet(endpoint)

    def _define_log_group(self) -> logs.LogGroup:
        """SageMaker would make the group of this name itself, without key and kept for ever.

        It is there before any model is, and stays when none is. It goes with its stack: the next
        deployment, after a failed one too, must find the name free.
        """
        return logs.LogGroup(
            self,
            "Log",
            log_group_name=f"/aws/sagemaker/Endpoints/{self.endpoint_name}",
            encryption_key=self._key,
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=RemovalPolicy.DESTROY,
        )

    def _define_endpoint_config(self, captures: s3.IBucket) -> sagemaker.CfnEndpointConfig:
        model = define_model(
            self,
            "Model",
            container=packaged_container(
                self._approved, self._told(self._approved, self.endpoint_name)
            ),
            role=self.role,
            condition=self._condition,
        )
        has_instances = self._config.serverless is None
        # Never named: almost every property is create-only, so that a change is a replacement.
        endpoint_config = sagemaker.CfnEndpointConfig(
            self,
            "EndpointConfig",
            kms_key_id=self._key.key_arn if has_instances else None,
            production_variants=[production_variant(self._config, model)],
            data_capture_config=(
                capture_everything(captures, self._key) if has_instances else None
            ),
        )
        endpoint_config.cfn_options.condition = self._condition
        for resource in (model, endpoint_config):
            name_after(resource, self.endpoint_name)
        return endpoint_config

    def _told(self, package: str, endpoint_name: str) -> Mapping[str, str]:
        """The variables of a package's container."""
        return {
            **self._variables(package),
            **self._environment,
            "ENDPOINT_NAME": endpoint_name,
        }

    def _define_shadow(
        self, endpoint_config: sagemaker.CfnEndpointConfig, challenger: str | None
    ) -> None:
        shadow = self._config.shadow
        if (shadow is None) != (challenger is None):
            raise ValueError(
                "challenger must be given with config.shadow and only then, got "
                f"{challenger} and {shadow}; it is the value of a parameter"
            )
        if shadow is not None and challenger is not None:
            self._add_challenger(endpoint_config, shadow, challenger)

    def _add_challenger(
        self, endpoint_config: sagemaker.CfnEndpointConfig, shadow: ShadowConfig, challenger: str
    ) -> None:
        condition = shadow_condition(
            self,
            champion=self._approved,
            challenger=challenger,
            nobody=NO_MODEL,
        )
        model = define_model(
            self,
            "Challenger",
            container=challenger_container(
                challenger,
                # What nobody hears is no response of the endpoint, for its metrics and alarms.
                self._told(challenger, f"{self.endpoint_name}-{CHALLENGER_VARIANT}"),
            ),
            role=self.role,
            condition=condition,
        )
        name_after(model, self.endpoint_name)
        endpoint_config.shadow_production_variants = shadow_variants(
            shadow,
            model=model,
            instance_type=self._config.instance_type,
            condition=condition,
        )

    def _define_endpoint(
        self, endpoint_config: sagemaker.CfnEndpointConfig
    ) -> sagemaker.CfnEndpoint:
        endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=self.endpoint_name,
            endpoint_config_name=endpoint_config.attr_endpoint_config_name,
        )
        endpoint.cfn_options.condition = self._condition
        return endpoint

    def _guard_fleet(self, endpoint: sagemaker.CfnEndpoint) -> None:
        """Has a fleet of instances scale, keep its size, and change step by step."""
        # Without it, every update would undo what scaling did; weights stay configured.
        endpoint.retain_all_variant_properties = True
        endpoint.exclude_retained_variant_properties = [
            sagemaker.CfnEndpoint.VariantPropertyProperty(variant_property_type=kind)
            for kind in ("DesiredWeight", "DataCaptureConfig")
        ]
        endpoint.deployment_config = deployment_config(self._config.rollout, self.alarms.names)
        # As this role SageMaker asks whether an alarm has gone off.
        self.role.allow_watching_alarms()
        EndpointScaling(
            self,
            "Scaling",
            endpoint=endpoint,
            variant_name=VARIANT_NAME,
            condition=self._condition,
            config=self._config.scaling,
        )

    def _define_alarms(self, metric_namespace: str, topic: AlarmTopic) -> EndpointAlarms:
        return EndpointAlarms(
            self,
            "Alarms",
            endpoint_name=self.endpoint_name,
            variant_name=VARIANT_NAME,
            model_version=part(self._approved, "model_package"),
            metric_namespace=metric_namespace,
            condition=self._condition,
            topic=topic,
            config=self._config.health,
        )
