"""The stages of an update, as descriptions and events of an endpoint name them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local_aws.sagemaker.endpoints.plans import Plan
from local_aws.sagemaker.endpoints.shifting import TrafficStep
from local_aws.sagemaker.events import now


@dataclass(frozen=True, slots=True)
class Stage:
    """What is being done with the new instances of every variant.

    Args:
        status: SageMaker's status of a variant.
        message: Its message, with `{instances}` where their number belongs.
        step: How many have traffic; without one, none has.
    """

    status: str
    message: str
    step: TrafficStep | None = None


Report = Callable[[Stage], None]

LAUNCHING = Stage("Creating", "Launching {instances} instance(s).")


def activating(step: TrafficStep) -> Stage:
    """Traffic is about to reach that many."""
    text = f"Activating traffic on {step.capacity} capacity of {{instances}} instance(s)."
    return Stage("ActivatingTraffic", text, step)


def baking(step: TrafficStep) -> Stage:
    """The alarms are watched."""
    text = (
        f"Baking for {step.seconds:g} seconds ({step.wait}) with traffic enabled on "
        f"{step.capacity} capacity of {{instances}} instance(s)."
    )
    return Stage("Baking", text, step)


def pending_variants(plan: Plan, stage: Stage) -> list[dict[str, Any]]:
    """PendingDeploymentSummary's ProductionVariants."""
    return [_variant(plan, spec.variant, spec.count, stage) for spec in plan.variants]


def _variant(plan: Plan, name: str, count: int, stage: Stage) -> dict[str, Any]:
    active = 0 if stage.step is None else stage.step.active(count)
    message = stage.message.format(instances=count if stage.step is None else active)
    weight = plan.weights[name]
    status = {"Status": stage.status, "StatusMessage": message, "StartTime": now()}
    return {
        "VariantName": name,
        "CurrentWeight": weight,
        "DesiredWeight": weight,
        "CurrentInstanceCount": active,
        "DesiredInstanceCount": count,
        "VariantStatus": [status],
    }
