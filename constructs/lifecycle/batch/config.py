"""The configuration of batch scoring: compute, size of requests, tolerated bad rows."""

from __future__ import annotations

from dataclasses import dataclass, field

from lifecycle.jobs.instance_types import check_instance_type
from lifecycle.jobs.job_requests import Compute

__all__ = ["BatchScoringConfig"]

# SageMaker holds so much of a transform's requests at once.
MOST_PAYLOAD_MIB = 100


def _compute() -> Compute:
    return Compute(instance_type="ml.m5.xlarge", volume_size_gib=50, max_runtime_minutes=240)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchScoringConfig:
    """A batch's compute and limits.

    Attributes:
        instance_type: Type of each instance that scores.
        instance_count: Instances that share the files.
        payload_mib: The size of a request, which a file of feature rows stays within.
        concurrent_requests: Requests that an instance's server is asked at once.
        tolerated_refused_share: A batch of which more rows break a rule fails; below that they
            are left out and told.
        compute: What the steps around scoring run on.
    """

    instance_type: str = "ml.m5.large"
    instance_count: int = 1
    payload_mib: int = 6
    concurrent_requests: int = 2
    tolerated_refused_share: float = 0.01
    compute: Compute = field(default_factory=_compute)

    def __post_init__(self) -> None:
        for name in ("instance_count", "payload_mib", "concurrent_requests"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}; give a number")
        check_instance_type("instance_type", self.instance_type, example="ml.m5.large")
        held = self.payload_mib * self.concurrent_requests
        if held > MOST_PAYLOAD_MIB:
            raise ValueError(
                f"payload_mib times concurrent_requests must be at most {MOST_PAYLOAD_MIB}, got "
                f"{held}; lower one of them"
            )
        if not 0 <= self.tolerated_refused_share <= 1:
            raise ValueError(
                "tolerated_refused_share must be between 0 and 1, got "
                f"{self.tolerated_refused_share}; 0 tolerates none"
            )
