"""What the stack tells the function."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from retrain.policy import Rules

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Names of what is deployed, and the rules.

    Attributes:
        queue_url: Where the events wait.
        pipeline_name: The pipeline that trains.
        raw_bucket: What it trains on.
        state_parameter: SSM parameter that says what was started.
        endpoint_name: The endpoint, a dimension of the metrics.
        metric_namespace: Where outcomes are counted.
        retry_seconds: How long an event waits that failed for the first time.
        rules: When to retrain.
    """

    queue_url: str
    pipeline_name: str
    raw_bucket: str
    state_parameter: str
    endpoint_name: str
    metric_namespace: str
    retry_seconds: int
    rules: Rules

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """From the variables of the same names in capitals, and those of the rules.

        Raises:
            KeyError: If one is missing.
        """
        rules = Rules(
            kinds=frozenset(environment["KINDS"].split()),
            cool_down=timedelta(seconds=int(environment["COOL_DOWN_SECONDS"])),
            cool_down_of_failed=timedelta(seconds=int(environment["FAILED_COOL_DOWN_SECONDS"])),
            daily_budget=int(environment["DAILY_BUDGET"]),
            uncured_limit=int(environment["UNCURED_LIMIT"]),
        )
        return cls(
            queue_url=environment["QUEUE_URL"],
            pipeline_name=environment["PIPELINE_NAME"],
            raw_bucket=environment["RAW_BUCKET"],
            state_parameter=environment["STATE_PARAMETER"],
            endpoint_name=environment["ENDPOINT_NAME"],
            metric_namespace=environment["METRIC_NAMESPACE"],
            retry_seconds=int(environment["RETRY_SECONDS"]),
            rules=rules,
        )
