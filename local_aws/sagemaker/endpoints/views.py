"""Endpoints as Describe and List answers show them."""

from collections.abc import Mapping
from typing import Any

from local_aws.sagemaker.endpoints.capture import enabled
from local_aws.sagemaker.endpoints.plans import Plan
from local_aws.sagemaker.endpoints.routes import LiveEndpoint
from local_aws.sagemaker.endpoints.servers import FleetSpec

_SUMMARY = (
    "EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus",
)  # fmt: skip


def describe(endpoint: Mapping[str, Any], live: LiveEndpoint | None) -> dict[str, Any]:
    """DescribeEndpoint's answer.

    Args:
        endpoint: The document.
        live: The endpoint's servers, if it has any.
    """
    answer = {k: v for k, v in endpoint.items() if k not in {"Adding", "Deployed", "Pending"}}
    if "Pending" in endpoint:
        answer["PendingDeploymentSummary"] = endpoint["Pending"]
    if "Deployed" not in endpoint:
        return answer
    plan = Plan.parse(endpoint["Deployed"])
    answer["ProductionVariants"] = [
        _variant(spec, plan.weights[spec.variant], live) for spec in plan.variants
    ]
    if plan.shadows:
        answer["ShadowProductionVariants"] = [
            _variant(spec, plan.weights[spec.variant], live) for spec in plan.shadows
        ]
    if plan.capture is not None:
        captures = enabled(plan.capture)
        answer["DataCaptureConfig"] = {
            "EnableCapture": captures,
            "CaptureStatus": "Started" if captures else "Stopped",
            "CurrentSamplingPercentage": plan.capture["InitialSamplingPercentage"],
            "DestinationS3Uri": plan.capture["DestinationS3Uri"],
            "KmsKeyId": plan.capture.get("KmsKeyId", ""),
        }
    return answer


def summary(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    """An item of ListEndpoints' answer."""
    return {key: endpoint[key] for key in _SUMMARY}


def _variant(spec: FleetSpec, weight: float, live: LiveEndpoint | None) -> dict[str, Any]:
    routes = () if live is None else (*live.routes, *live.shadows)
    servers = [
        server
        for route in routes
        if route.fleet.spec.variant == spec.variant
        for server in route.fleet.servers
    ]
    image = spec.container.image
    common = {
        "VariantName": spec.variant,
        "DeployedImages": [{"SpecifiedImage": image, "ResolvedImage": image}],
        "CurrentWeight": weight,
        "DesiredWeight": weight,
    }
    if spec.serverless is not None:
        config = spec.serverless
        return common | {"CurrentServerlessConfig": config, "DesiredServerlessConfig": config}
    return common | {
        "CurrentInstanceCount": sum(server.ready for server in servers),
        "DesiredInstanceCount": spec.count,
    }
