"""Endpoint configurations: which models an endpoint serves, and what it captures."""

from collections.abc import Mapping
from typing import Any

from local_aws.sagemaker.context import Context
from local_aws.sagemaker.endpoints.capture import enabled
from local_aws.sagemaker.endpoints.models import check_instance_type, find_model
from local_aws.sagemaker.errors import unsupported, validation
from local_aws.sagemaker.events import in_millis, now
from local_aws.sagemaker.queries import page, select

KIND = "endpoint-config"
_UNSUPPORTED = ("AsyncInferenceConfig", "ExplainerConfig")


class EndpointConfigs:
    """CreateEndpointConfig and its siblings."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def create_endpoint_config(self, request: dict[str, Any]) -> dict[str, Any]:
        """Keep a configuration of models that exist."""
        for member in _UNSUPPORTED:
            if request.get(member):
                raise unsupported(member, "serve ProductionVariants only")
        _check_variants(self._context, request)
        name = request["EndpointConfigName"]
        arn = self._context.arn(KIND, name)
        config = {key: value for key, value in request.items() if key != "Tags"}
        config |= {"EndpointConfigArn": arn, "CreationTime": now()}
        if not self._context.store.add(KIND, name, config):
            raise validation(f'Cannot create already existing endpoint configuration "{arn}".')
        self._announce_config(config)
        return {"EndpointConfigArn": arn}

    def describe_endpoint_config(self, request: dict[str, Any]) -> dict[str, Any]:
        """All about a configuration."""
        return find_config(self._context, request["EndpointConfigName"])

    def list_endpoint_configs(self, request: dict[str, Any]) -> dict[str, Any]:
        """Summaries of configurations."""
        found = select(self._context.store.list(KIND), request, name="EndpointConfigName")
        return page(found, request, "EndpointConfigs", _summary)

    def delete_endpoint_config(self, request: dict[str, Any]) -> dict[str, Any]:
        """Forget a configuration; an endpoint that runs with it goes on until it restarts."""
        find_config(self._context, request["EndpointConfigName"])
        self._context.store.delete(KIND, request["EndpointConfigName"])
        return {}

    def _announce_config(self, config: dict[str, Any]) -> None:
        members = ("EndpointConfigName", "EndpointConfigArn", "ProductionVariants", "CreationTime")
        detail = {**in_millis({key: config[key] for key in members}), "Tags": {}}
        self._context.emit_event(
            "SageMaker Endpoint Config State Change", detail, [config["EndpointConfigArn"]]
        )


def find_config(context: Context, name: str) -> dict[str, Any]:
    """A configuration's document.

    Raises:
        ServiceError: If there is none.
    """
    config = context.store.get(KIND, name)
    if config is None:
        raise validation(f'Could not find endpoint configuration "{context.arn(KIND, name)}".')
    return config


def instance_count(variant: Mapping[str, Any]) -> int:
    """How many servers a variant begins with; a serverless one has one."""
    return 1 if "ServerlessConfig" in variant else int(variant["InitialInstanceCount"])


def weight(variant: Mapping[str, Any]) -> float:
    """A variant's share of the traffic, before it is divided by the sum of all."""
    return float(variant.get("InitialVariantWeight", 1.0))


def _check_variants(context: Context, request: Mapping[str, Any]) -> None:
    """Refuse variants that SageMaker would not have together."""
    variants = request["ProductionVariants"]
    shadows = request.get("ShadowProductionVariants", ())
    names = [variant["VariantName"] for variant in (*variants, *shadows)]
    if len(set(names)) < len(names):
        raise validation(f"ProductionVariants must have unique names, got {names}")
    if shadows and (len(variants), len(shadows)) != (1, 1):
        raise validation(
            "ShadowProductionVariants must be one variant beside one of ProductionVariants, got "
            f"{len(shadows)} beside {len(variants)}"
        )
    serverless = [v["VariantName"] for v in (*variants, *shadows) if "ServerlessConfig" in v]
    if serverless and len(names) > 1:
        raise validation(f"a serverless variant must be the only one, got {names}")
    if serverless and enabled(request.get("DataCaptureConfig")):
        raise validation(
            f"DataCaptureConfig must not be enabled for the serverless variant {serverless[0]}; "
            "use instances to capture"
        )
    for variant in (*variants, *shadows):
        _check_variant(context, variant)


def _check_variant(context: Context, variant: Mapping[str, Any]) -> None:
    name = variant["VariantName"]
    if "ModelName" not in variant:
        raise unsupported(f"variant {name} without a ModelName", "name a model for each variant")
    model = find_model(context, variant["ModelName"])
    of_instances = "InstanceType" in variant and "InitialInstanceCount" in variant
    if "ServerlessConfig" in variant:
        if "InstanceType" in variant or "InitialInstanceCount" in variant:
            raise validation(f"variant {name} must have instances or a ServerlessConfig, got both")
        if "VpcConfig" in model or model.get("EnableNetworkIsolation"):
            raise validation(  # the text is ours
                f"the model of the serverless variant {name} must have neither a VpcConfig nor "
                "network isolation"
            )
        _check_memory(variant["ServerlessConfig"]["MemorySizeInMB"])
    elif not of_instances:
        raise validation(
            f"variant {name} must have an InstanceType and an InitialInstanceCount, or a "
            "ServerlessConfig"
        )
    else:
        check_instance_type(context, model, variant["InstanceType"], "RealtimeInference")


def _check_memory(megabytes: int) -> None:
    """ServerlessConfig, MemorySizeInMB: "Valid values are in 1 GB increments: 1024 MB, 2048 MB,
    3072 MB, 4096 MB, 5120 MB, or 6144 MB" (API reference)."""
    if megabytes % 1024:
        raise validation(
            f"MemorySizeInMB must be 1024, 2048, 3072, 4096, 5120 or 6144, got {megabytes}"
        )


def _summary(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: config[key] for key in ("EndpointConfigName", "EndpointConfigArn", "CreationTime")}
