"""The settings of the function, from its environment."""

from dataclasses import dataclass

from retrain.policy import Rules

__all__ = ["RetrainingSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingSettings:
    """Names of what is deployed, and the rules; variables are in capitals.

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
