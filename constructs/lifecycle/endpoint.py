"""The real-time endpoint: it exists once a model is approved, and follows the approvals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aws_cdk import CfnCondition, Fn
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from lifecycle.container_image import ContainerImage
from lifecycle.endpoint_alarms import EndpointAlarms, HealthConfig
from lifecycle.endpoint_role import EndpointRole
from lifecycle.endpoint_scaling import EndpointScaling, ScalingConfig

__all__ = ["NO_MODEL", "VARIANT_NAME", "EndpointConfig", "RolloutConfig", "SelfDeployingEndpoint"]

# The value of the parameter that names the approved package, before the first approval.
NO_MODEL = "none"
# The same for every version: scaling, alarms and captures are keyed by it.
VARIANT_NAME = "primary"


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutConfig:
    """How traffic moves to a new version.

    Attributes:
        canary_percent: Share of the fleet that the new version gets first.
        canary_seconds: How long it must stay healthy there before it gets the rest.
        old_fleet_seconds: How long the old fleet is kept after that, for a fast way back.
        timeout_seconds: A rollout that takes longer is rolled back.
    """

    canary_percent: int = 50
    canary_seconds: int = 300
    old_fleet_seconds: int = 300
    timeout_seconds: int = 3600

    def __post_init__(self) -> None:
        _check_range("canary_percent", self.canary_percent, 1, 50, "SageMaker allows half at most")
        _check_range("canary_seconds", self.canary_seconds, 0, 3600, "an hour at most")
        _check_range("old_fleet_seconds", self.old_fleet_seconds, 0, 3600, "an hour at most")
        _check_range("timeout_seconds", self.timeout_seconds, 600, 28800, "10 minutes to 8 hours")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointConfig:
    """The endpoint's compute, how it grows, and when a version counts as unhealthy.

    Attributes:
        instance_type: Instance of the fleet. To change it, deregister the scaled variant first:
            SageMaker refuses to update a registered variant's instance type.
        scaling: Between how many instances the fleet moves, and on what load.
        rollout: How traffic moves to a new version.
        health: When the endpoint's alarms go off; they also roll a new version back.
    """

    instance_type: str = "ml.c6i.large"
    scaling: ScalingConfig = field(default_factory=ScalingConfig)
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    health: HealthConfig = field(default_factory=HealthConfig)

    def __post_init__(self) -> None:
        if not self.instance_type.startswith("ml."):
            raise ValueError(
                f"instance_type must be a SageMaker instance type, got {self.instance_type}; "
                "use one like ml.c6i.large"
            )


def _check_range(name: str, value: int, low: int, high: int, advice: str) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be between {low} and {high}, got {value}; {advice}")


class SelfDeployingEndpoint(Construct):
    """Hosts the approved model package and captures all that it is asked and answers.

    Guarantees:
        While no package is approved there is no model, no endpoint and nothing to pay.
        A new package reaches the same endpoint as a canary; an alarm rolls it back.
        An update keeps the instances that scaling added.
        Captures and the fleet's volumes are encrypted under the given key.

    Args:
        endpoint_name: Physical name; it names no version.
        approved_package: ARN of the approved model package, or `none`; a deploy-time value.
        environment: What the container is told, beside the package's ARN.
        image: The image that packages name.
        artifacts_bucket: Where model artifacts are, below `models/`.
        captures_bucket: Where captures land, at `<endpoint>/<variant>/yyyy/mm/dd/hh`.
        encryption_key: Key of captures and volumes.
        config: Compute, scaling, rollout and health.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        approved_package: str,
        environment: Mapping[str, str],
        image: ContainerImage,
        artifacts_bucket: s3.IBucket,
        captures_bucket: s3.IBucket,
        encryption_key: kms.IKey,
        config: EndpointConfig,
    ) -> None:
        super().__init__(scope, construct_id)
        self.endpoint_name = endpoint_name
        self._config = config
        self._key = encryption_key
        self._condition = CfnCondition(
            self,
            "Approved",
            expression=Fn.condition_not(Fn.condition_equals(approved_package, NO_MODEL)),
        )
        self.role = EndpointRole(
            self,
            "Role",
            endpoint_name=endpoint_name,
            image=image,
            artifacts_bucket=artifacts_bucket,
            captures_bucket=captures_bucket,
            encryption_key=encryption_key,
        )
        model = self._define_model(approved_package, environment)
        endpoint_config = self._define_endpoint_config(model, captures_bucket)
        self.alarms = self._define_alarms()
        self._define_scaling(self._define_endpoint(endpoint_config))

    def _define_model(
        self, approved_package: str, environment: Mapping[str, str]
    ) -> sagemaker.CfnModel:
        model = sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=self.role.role_arn,
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                model_package_name=approved_package,
                environment={**environment, "MODEL_PACKAGE_ARN": approved_package},
            ),
        )
        model.cfn_options.condition = self._condition
        # SageMaker reads artifact and image as this role while it creates the model: without the
        # dependency CloudFormation may create the model before the role's policy.
        model.node.add_dependency(self.role)
        return model

    def _define_endpoint_config(
        self, model: sagemaker.CfnModel, captures: s3.IBucket
    ) -> sagemaker.CfnEndpointConfig:
        # Never named: almost every property is create-only, so that a change is a replacement.
        endpoint_config = sagemaker.CfnEndpointConfig(
            self,
            "EndpointConfig",
            kms_key_id=self._key.key_arn,
            production_variants=[
                sagemaker.CfnEndpointConfig.ProductionVariantProperty(
                    variant_name=VARIANT_NAME,
                    model_name=model.attr_model_name,
                    instance_type=self._config.instance_type,
                    initial_instance_count=self._config.scaling.min_instances,
                    initial_variant_weight=1,
                )
            ],
            data_capture_config=sagemaker.CfnEndpointConfig.DataCaptureConfigProperty(
                enable_capture=True,
                destination_s3_uri=captures.s3_url_for_object(),
                initial_sampling_percentage=100,
                kms_key_id=self._key.key_arn,
                capture_options=[
                    sagemaker.CfnEndpointConfig.CaptureOptionProperty(capture_mode="Input"),
                    sagemaker.CfnEndpointConfig.CaptureOptionProperty(capture_mode="Output"),
                ],
                # Listed types are captured as they are; anything else as base64.
                capture_content_type_header=(
                    sagemaker.CfnEndpointConfig.CaptureContentTypeHeaderProperty(
                        csv_content_types=["text/csv"], json_content_types=["application/json"]
                    )
                ),
            ),
        )
        endpoint_config.cfn_options.condition = self._condition
        return endpoint_config

    def _define_endpoint(
        self, endpoint_config: sagemaker.CfnEndpointConfig
    ) -> sagemaker.CfnEndpoint:
        rollout = self._config.rollout
        endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=self.endpoint_name,
            endpoint_config_name=endpoint_config.attr_endpoint_config_name,
            # Without it, every update would undo what scaling did; weights stay configured.
            retain_all_variant_properties=True,
            exclude_retained_variant_properties=[
                sagemaker.CfnEndpoint.VariantPropertyProperty(
                    variant_property_type="DesiredWeight"
                ),
                sagemaker.CfnEndpoint.VariantPropertyProperty(
                    variant_property_type="DataCaptureConfig"
                ),
            ],
            deployment_config=sagemaker.CfnEndpoint.DeploymentConfigProperty(
                auto_rollback_configuration=sagemaker.CfnEndpoint.AutoRollbackConfigProperty(
                    alarms=[
                        sagemaker.CfnEndpoint.AlarmProperty(alarm_name=name)
                        for name in self.alarms.names
                    ]
                ),
                blue_green_update_policy=sagemaker.CfnEndpoint.BlueGreenUpdatePolicyProperty(
                    traffic_routing_configuration=_canary(rollout),
                    termination_wait_in_seconds=rollout.old_fleet_seconds,
                    maximum_execution_timeout_in_seconds=rollout.timeout_seconds,
                ),
            ),
        )
        endpoint.cfn_options.condition = self._condition
        return endpoint

    def _define_alarms(self) -> EndpointAlarms:
        return EndpointAlarms(
            self,
            "Alarms",
            endpoint_name=self.endpoint_name,
            variant_name=VARIANT_NAME,
            condition=self._condition,
            config=self._config.health,
        )

    def _define_scaling(self, endpoint: sagemaker.CfnEndpoint) -> None:
        EndpointScaling(
            self,
            "Scaling",
            endpoint=endpoint,
            variant_name=VARIANT_NAME,
            condition=self._condition,
            config=self._config.scaling,
        )


def _canary(rollout: RolloutConfig) -> sagemaker.CfnEndpoint.TrafficRoutingConfigProperty:
    return sagemaker.CfnEndpoint.TrafficRoutingConfigProperty(
        type="CANARY",
        canary_size=sagemaker.CfnEndpoint.CapacitySizeProperty(
            type="CAPACITY_PERCENT", value=rollout.canary_percent
        ),
        wait_interval_in_seconds=rollout.canary_seconds,
    )
