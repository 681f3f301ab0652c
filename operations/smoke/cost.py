"""What a run may cost, before it begins."""

from collections.abc import Iterable

from operations.errors import OperationError
from operations.smoke.probes.probe import Probe

__all__ = ["check_cost", "estimate"]

# US dollars an hour in us-east-1, as public tables of SageMaker's on-demand prices have them.
_PRICES = {
    "hosting ml.c5.large": 0.102,
    "hosting ml.m5.large": 0.115,
    "hosting ml.t2.medium": 0.056,
    "processing ml.t3.medium": 0.05,
    "transform ml.m5.large": 0.115,
}
# A shard of Kinesis for half an hour, two keys, requests, logs.
_REST = 0.03
# An allowance for Regions that are dearer.
_DEAREST_REGION = 1.6
# US dollars, which is less than a euro.
LIMIT = 1.0


def estimate(probes: Iterable[Probe]) -> float:
    """What asking costs at most, in US dollars: instances for as long as probes may have them."""
    hours = (
        _PRICES[instance] * minutes / 60
        for probe in probes
        for instance, minutes in probe.minutes.items()
    )
    return (sum(hours) + _REST) * _DEAREST_REGION


def check_cost(probes: Iterable[Probe], limit: float = LIMIT) -> float:
    """The estimate.

    Raises:
        OperationError: If it is above the limit.
    """
    if (cost := estimate(probes)) > limit:
        raise OperationError(
            f"a run must cost {limit:.2f} US dollars at most, got an estimate of {cost:.2f}; ask "
            "less by --only"
        )
    return cost
