"""What an endpoint serves, resolved from its configuration and kept with it."""

from dataclasses import dataclass, replace
from typing import Any

from local_aws.sagemaker.context import Context
from local_aws.sagemaker.endpoint_configs import instance_count, weight
from local_aws.sagemaker.models import find_model, serving_container
from local_aws.sagemaker.servers import DEFAULT_STARTUP_SECONDS, FleetSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an endpoint serves, resolved: models and configurations may be deleted later.

    Args:
        config_name: The endpoint configuration.
        capture: Its DataCaptureConfig.
        variants: What each variant's servers run.
        weights: Each variant's share of the traffic.
    """

    config_name: str
    capture: dict[str, Any] | None
    variants: tuple[FleetSpec, ...]
    weights: dict[str, float]

    def document(self) -> dict[str, Any]:
        """As the store keeps it."""
        return {
            "config_name": self.config_name,
            "capture": self.capture,
            "variants": [spec.document() for spec in self.variants],
            "weights": self.weights,
        }

    @classmethod
    def parse(cls, document: dict[str, Any]) -> "Plan":
        """From what `document` gave."""
        variants = tuple(FleetSpec.parse(spec) for spec in document["variants"])
        return cls(**{**document, "variants": variants})

    def with_counts(self, counts: dict[str, int]) -> "Plan":
        """The same with other numbers of servers."""
        variants = tuple(
            replace(spec, count=counts.get(spec.variant, spec.count)) for spec in self.variants
        )
        return replace(self, variants=variants)


def make_plan(context: Context, endpoint: str, config: dict[str, Any]) -> Plan:
    """What a configuration asks for.

    Raises:
        ServiceError: If one of its models cannot run.
    """
    specs = tuple(
        FleetSpec(
            name=endpoint,
            variant=variant["VariantName"],
            container=serving_container(context, find_model(context, variant["ModelName"])),
            count=instance_count(variant),
            log_group=f"/aws/sagemaker/Endpoints/{endpoint}",
            startup_seconds=variant.get(
                "ContainerStartupHealthCheckTimeoutInSeconds", DEFAULT_STARTUP_SECONDS
            ),
        )
        for variant in config["ProductionVariants"]
    )
    weights = {v["VariantName"]: weight(v) for v in config["ProductionVariants"]}
    return Plan(
        config_name=config["EndpointConfigName"],
        capture=config.get("DataCaptureConfig"),
        variants=specs,
        weights=weights,
    )


def retained(plan: Plan, deployed: dict[str, Any] | None, request: dict[str, Any]) -> Plan:
    """The new plan, with what RetainAllVariantProperties keeps of the old one."""
    if deployed is None or not request.get("RetainAllVariantProperties"):
        return plan
    old = Plan.parse(deployed)
    excluded = {
        item["VariantPropertyType"] for item in request.get("ExcludeRetainedVariantProperties", ())
    }
    if "DesiredInstanceCount" not in excluded:
        plan = plan.with_counts({spec.variant: spec.count for spec in old.variants})
    if "DataCaptureConfig" not in excluded:
        plan = replace(plan, capture=old.capture)
    if "DesiredWeight" not in excluded:
        plan.weights.update({k: v for k, v in old.weights.items() if k in plan.weights})
    return plan
