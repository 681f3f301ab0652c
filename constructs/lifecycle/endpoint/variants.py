"""The variants of an endpoint configuration: production, challenger, and their captures."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import CfnCondition, CfnResource
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from lifecycle.endpoint.config import VARIANT_NAME, EndpointConfig
from lifecycle.registry.spelled_package import package_variables, part
from pipeline_code.contracts.serving import CSV, JSON, JSON_LINES

__all__ = [
    "capture_everything",
    "define_model",
    "name_after",
    "packaged_container",
    "production_variant",
]

_Config = sagemaker.CfnEndpointConfig


def define_model(
    scope: Construct,
    construct_id: str,
    *,
    container: sagemaker.CfnModel.ContainerDefinitionProperty,
    role: iam.Role,
    condition: CfnCondition,
) -> sagemaker.CfnModel:
    """A model that is made as soon as its role may do what it has to.

    Args:
        container: What it runs.
        role: What the container runs as.
        condition: When there is such a model.
    """
    model = sagemaker.CfnModel(
        scope,
        construct_id,
        execution_role_arn=role.role_arn,
        primary_container=container,
    )
    model.cfn_options.condition = condition
    # SageMaker reads artifact and image as this role while it creates the model: without the
    # dependency CloudFormation may create the model before the role's policy.
    model.node.add_dependency(role)
    return model


def name_after(resource: CfnResource, endpoint_name: str) -> None:
    """Has the name that CloudFormation gives to a resource begin with the endpoint's.

    It begins with the logical ID and not with the stack's name, so that one account's environments
    would have the same names, and no policy could tell them apart. SageMaker's ARNs have had names
    in lower case (philschmid/cdk-samples #2) and as they are (go-to-k/cdk-real-drift #1527): this
    one is in lower case.
    """
    resource.override_logical_id(f"{endpoint_name}{resource.node.id}".replace("-", "").lower())


def packaged_container(
    package: str, environment: Mapping[str, str]
) -> sagemaker.CfnModel.ContainerDefinitionProperty:
    """The container of an approved package, told which package that is.

    Args:
        package: The package as its parameter spells it, a deploy-time value.
        environment: Its variables besides.
    """
    return sagemaker.CfnModel.ContainerDefinitionProperty(
        model_package_name=part(package, "model_package"),
        environment={**environment, **package_variables(package)},
    )


def production_variant(
    config: EndpointConfig, model: sagemaker.CfnModel
) -> sagemaker.CfnEndpointConfig.ProductionVariantProperty:
    """The variant whose responses callers get: on instances, or without any."""
    if config.serverless is not None:
        return _Config.ProductionVariantProperty(
            variant_name=VARIANT_NAME,
            model_name=model.attr_model_name,
            initial_variant_weight=1,
            serverless_config=config.serverless.variant(),
        )
    return _Config.ProductionVariantProperty(
        variant_name=VARIANT_NAME,
        model_name=model.attr_model_name,
        instance_type=config.instance_type,
        initial_instance_count=config.scaling.min_instances,
        initial_variant_weight=1,
    )


def capture_everything(
    bucket: s3.IBucket, key: kms.IKey
) -> sagemaker.CfnEndpointConfig.DataCaptureConfigProperty:
    """Every request and every response of every variant, encrypted."""
    return _Config.DataCaptureConfigProperty(
        enable_capture=True,
        destination_s3_uri=bucket.s3_url_for_object(),
        initial_sampling_percentage=100,
        kms_key_id=key.key_arn,
        capture_options=[
            _Config.CaptureOptionProperty(capture_mode="Input"),
            _Config.CaptureOptionProperty(capture_mode="Output"),
        ],
        # Listed types are captured as they are; anything else as base64.
        capture_content_type_header=_Config.CaptureContentTypeHeaderProperty(
            csv_content_types=[CSV], json_content_types=[JSON, JSON_LINES]
        ),
    )
