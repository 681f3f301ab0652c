"""Stand-in until the module of needs is merged."""

from collections.abc import Sequence
from dataclasses import dataclass

from operations.deployment.assembly import Stack


@dataclass(frozen=True)
class Need:
    """A need."""

    service: str
    quota: str
    amount: float
    unit: str
    why: str


def needs(templates: Sequence[Stack]) -> list[Need]:
    """The needs."""
    return [Need("sagemaker", "ml.c6i.large for endpoint usage", 4, "instances", "twice the fleet")]
