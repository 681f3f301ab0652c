"""The plan of what an endpoint serves, resolved from its configuration and stored with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from local_aws.sagemaker.context import Context
from local_aws.sagemaker.endpoints.configs import instance_count, weight
from local_aws.sagemaker.endpoints.models import find_model, serving_container
from local_aws.sagemaker.endpoints.servers import DEFAULT_STARTUP_SECONDS, FleetSpec
from local_aws.sagemaker.errors import validation


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an endpoint serves, resolved: models and configurations may be deleted later.

    Args:
        config_name: The endpoint configuration.
        capture: Its DataCaptureConfig.
        variants: What each variant's servers run.
        weights: Each variant's share of the traffic.
        shadows: What the servers of shadow variants run.
    """

    config_name: str
    capture: dict[str, Any] | None
    variants: tuple[FleetSpec, ...]
    weights: dict[str, float]
    shadows: tuple[FleetSpec, ...] = ()

    @property
    def specs(self) -> tuple[FleetSpec, ...]:
        """Of all variants."""
        return (*self.variants, *self.shadows)

    def shadow_share(self, variant: str) -> float:
        """The part of the requests that a shadow variant gets: SageMaker has it in the weights."""
        (production,) = self.variants
        whole = self.weights[production.variant]
        return min(1.0, self.weights[variant] / whole) if whole > 0 else 0.0

    def document(self) -> dict[str, Any]:
        """As the store keeps it."""
        return {
            "config_name": self.config_name,
            "capture": self.capture,
            "variants": [spec.document() for spec in self.variants],
            "weights": self.weights,
            "shadows": [spec.document() for spec in self.shadows],
        }

    @classmethod
    def parse(cls, document: dict[str, Any]) -> "Plan":
        """From what `document` gave."""
        variants = tuple(FleetSpec.parse(spec) for spec in document["variants"])
        shadows = tuple(FleetSpec.parse(spec) for spec in document.get("shadows", ()))
        return cls(**{**document, "variants": variants, "shadows": shadows})

    def with_counts(self, counts: dict[str, int]) -> "Plan":
        """The same with other numbers of servers."""

        def counted(specs: tuple[FleetSpec, ...]) -> tuple[FleetSpec, ...]:
            return tuple(replace(s, count=counts.get(s.variant, s.count)) for s in specs)

        return replace(self, variants=counted(self.variants), shadows=counted(self.shadows))

    def with_weights(self, weights: dict[str, float]) -> "Plan":
        """The same with other shares of those variants that it has."""
        known = {name: weight for name, weight in weights.items() if name in self.weights}
        return replace(self, weights=self.weights | known)


def make_plan(context: Context, endpoint: str, config: dict[str, Any]) -> Plan:
    """What a configuration asks for.

    Raises:
        ServiceError: If one of its models cannot run.
    """
    shadows = config.get("ShadowProductionVariants", ())
    production = config["ProductionVariants"]
    return Plan(
        config_name=config["EndpointConfigName"],
        capture=config.get("DataCaptureConfig"),
        variants=tuple(_spec(context, endpoint, variant) for variant in production),
        weights={v["VariantName"]: weight(v) for v in (*production, *shadows)},
        shadows=tuple(_spec(context, endpoint, variant) for variant in shadows),
    )


def _spec(context: Context, endpoint: str, variant: dict[str, Any]) -> FleetSpec:
    return FleetSpec(
        name=endpoint,
        variant=variant["VariantName"],
        container=serving_container(context, find_model(context, variant["ModelName"])),
        count=instance_count(variant),
        log_group=f"/aws/sagemaker/Endpoints/{endpoint}",
        startup_seconds=variant.get(
            "ContainerStartupHealthCheckTimeoutInSeconds", DEFAULT_STARTUP_SECONDS
        ),
        serverless=variant.get("ServerlessConfig"),
        instance_type=variant.get("InstanceType"),
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
        plan = plan.with_counts({spec.variant: spec.count for spec in old.specs})
    if "DataCaptureConfig" not in excluded:
        plan = replace(plan, capture=old.capture)
    if "DesiredWeight" not in excluded:
        plan = plan.with_weights(old.weights)
    return plan


def desired(plan: Plan, items: Sequence[Mapping[str, Any]]) -> Plan:
    """A plan with the weights and capacities that UpdateEndpointWeightsAndCapacities asks for.

    Raises:
        ServiceError: If it has no such variant, or a serverless one of which a count is asked.
    """
    names = [item["VariantName"] for item in items]
    if unknown := sorted(set(names) - plan.weights.keys()):
        raise validation(f"VariantName must be one of {sorted(plan.weights)}, got {unknown}")
    counts = _members(items, "DesiredInstanceCount")
    if fixed := sorted(s.variant for s in plan.specs if s.serverless and s.variant in counts):
        raise validation(f"DesiredInstanceCount must be for instances, got {fixed}")
    return plan.with_counts(counts).with_weights(_members(items, "DesiredWeight"))


def _members(items: Sequence[Mapping[str, Any]], member: str) -> dict[str, Any]:
    return {item["VariantName"]: item[member] for item in items if member in item}
