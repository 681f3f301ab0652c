"""CloudFormation's resource types of SageMaker and Application Auto Scaling.

Each goes through the operation that an API client would call. What Ref and GetAtt give is what the
CloudFormation documentation says; which properties replace a resource, what its registry says.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from local_aws import adapter, registry
from local_aws.adapter.cloudformation import adoption
from local_aws.sagemaker.cloudformation.api import Api
from local_aws.sagemaker.cloudformation.endpoint import Endpoint
from local_aws.sagemaker.cloudformation.resources import (
    FeatureGroup,
    ModelPackageGroup,
    MonitoringSchedule,
    Pipeline,
    Resource,
)
from local_aws.sagemaker.cloudformation.scaling import ScalableTarget, ScalingPolicy
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.wire import Api as Model


def install(context: Context, handlers: Mapping[str, Any]) -> None:
    """Register the resource types.

    Args:
        context: Its `call` serves SageMaker's operations.
        handlers: All handlers by class name; `AutoScaling` serves its own.
    """
    sagemaker = Api(Model("sagemaker"), context.call)
    scaling = Api.of_handler(Model("application-autoscaling"), handlers["AutoScaling"])
    for resource in (
        Pipeline(sagemaker, context, "Pipeline"),
        ModelPackageGroup(sagemaker, context, "ModelPackageGroup"),
        Resource(sagemaker, context, "Model"),
        Resource(sagemaker, context, "EndpointConfig"),
        Endpoint(sagemaker, context, "Endpoint"),
        FeatureGroup(sagemaker, context, "FeatureGroup"),
        MonitoringSchedule(sagemaker, context, "MonitoringSchedule"),
        Resource(sagemaker, context, "DataQualityJobDefinition", name_member="JobDefinitionName"),
        ScalableTarget(scaling, context, "ScalableTarget"),
        ScalingPolicy(scaling, context, "ScalingPolicy"),
    ):
        kind = resource.type_name
        adapter.register_resource(
            kind,
            create=resource.create,
            update=resource.update,
            delete=resource.delete,
            replaces=registry.named_properties(kind, "createOnlyProperties"),
            blocking=True,
            tags=("Tags", "list") if resource.has_tags else None,
        )
        if resource.service == "SageMaker":
            adapter.refuse_named_replacements(
                kind, resource.name_member, partial(registry.replaces, kind)
            )
        # What a stack leaves, by the primary identifier of the registry schema: of the group of
        # packages its ARN, which no template can hold.
        if resource.identifier is not None:
            adoption.register_import(
                resource.type_name,
                resource.identifier,
                exists=resource.exists,
                provisioned=resource.adopt,
            )
