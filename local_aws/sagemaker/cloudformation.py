"""CloudFormation's resource types of SageMaker and Application Auto Scaling.

Each goes through the operation that an API client would call. What Ref and GetAtt give, and which
properties replace a resource, is what the CloudFormation documentation says.
"""

from collections.abc import Mapping
from typing import Any

from local_aws import adapter
from local_aws.adapter import adoption
from local_aws.sagemaker.cloudformation_api import Api
from local_aws.sagemaker.cloudformation_resources import (
    Endpoint,
    FeatureGroup,
    ModelPackageGroup,
    MonitoringSchedule,
    Pipeline,
    Resource,
)
from local_aws.sagemaker.cloudformation_scaling import ScalableTarget, ScalingPolicy
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.wire import Api as Model

_MODEL = (
    "ModelName", "ExecutionRoleArn", "PrimaryContainer", "Containers", "VpcConfig",
    "InferenceExecutionConfig", "EnableNetworkIsolation",
)  # fmt: skip
_ENDPOINT_CONFIG = (
    "EndpointConfigName", "ProductionVariants", "ShadowProductionVariants", "DataCaptureConfig",
    "AsyncInferenceConfig", "ExplainerConfig", "ExecutionRoleArn", "VpcConfig", "KmsKeyId",
    "EnableNetworkIsolation", "MetricsConfig",
)  # fmt: skip
_FEATURE_GROUP = (
    "FeatureGroupName", "RecordIdentifierFeatureName", "EventTimeFeatureName",
    "OfflineStoreConfig", "RoleArn", "Description", "Tags",
)  # fmt: skip
_JOB_DEFINITION = (
    "JobDefinitionName", "DataQualityAppSpecification", "DataQualityBaselineConfig",
    "DataQualityJobInput", "DataQualityJobOutputConfig", "JobResources", "NetworkConfig",
    "RoleArn", "StoppingCondition", "EndpointName", "Tags",
)  # fmt: skip


def install(context: Context, handlers: Mapping[str, Any]) -> None:
    """Register the resource types.

    Args:
        context: Its `call` serves SageMaker's operations.
        handlers: All handlers by class name; `AutoScaling` serves its own.
    """
    sagemaker = Api(Model("sagemaker"), context.call)
    scaling = Api.of_handler(Model("application-autoscaling"), handlers["AutoScaling"])
    for resource in (
        Pipeline(sagemaker, context, "Pipeline", replaces=["PipelineName"]),
        ModelPackageGroup(
            sagemaker,
            context,
            "ModelPackageGroup",
            replaces=["ModelPackageGroupName", "ModelPackageGroupDescription"],
        ),
        Resource(sagemaker, context, "Model", replaces=_MODEL),
        Resource(sagemaker, context, "EndpointConfig", replaces=_ENDPOINT_CONFIG),
        Endpoint(sagemaker, context, "Endpoint", replaces=["EndpointName"]),
        FeatureGroup(sagemaker, context, "FeatureGroup", replaces=_FEATURE_GROUP),
        MonitoringSchedule(
            sagemaker, context, "MonitoringSchedule", replaces=["MonitoringScheduleName"]
        ),
        Resource(
            sagemaker,
            context,
            "DataQualityJobDefinition",
            replaces=_JOB_DEFINITION,
            name_member="JobDefinitionName",
        ),
        ScalableTarget(
            scaling,
            context,
            "ScalableTarget",
            replaces=["ResourceId", "ScalableDimension", "ServiceNamespace"],
        ),
        ScalingPolicy(
            scaling,
            context,
            "ScalingPolicy",
            replaces=[
                "PolicyName", "ServiceNamespace", "ResourceId", "ScalableDimension",
                "ScalingTargetId",
            ],
        ),
    ):  # fmt: skip
        adapter.register_resource(
            resource.type_name,
            create=resource.create,
            update=resource.update,
            delete=resource.delete,
            replaces=resource.replaces,
            blocking=True,
            tags=("Tags", "list") if resource.has_tags else None,
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
