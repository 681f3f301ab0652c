"""The function's log: JSON lines; some are metrics, in CloudWatch's embedded format."""

import json
import time
from datetime import UTC, datetime, timedelta

from pipeline_code.contracts.metrics import Dimension, MetricName

__all__ = ["count_failure", "log", "measure_age"]


def log(message: str, **fields: object) -> None:
    """Say something."""
    print(json.dumps({"message": message, **fields}, default=str))


def count_failure(namespace: str, endpoint_name: str, **fields: object) -> None:
    """Count a deployment that an operator has to look at."""
    log(
        "a deployment failed",
        **_metric(namespace, endpoint_name, MetricName.FAILED_DEPLOYMENTS, 1, "Count"),
        **fields,
    )


def measure_age(namespace: str, endpoint_name: str, created: datetime, **fields: object) -> None:
    """Say how many days ago the package that an endpoint serves was registered."""
    days = (datetime.now(UTC) - created) / timedelta(days=1)
    log(
        "age of the champion",
        **_metric(namespace, endpoint_name, MetricName.CHAMPION_AGE_DAYS, days, "None"),
        **fields,
    )


def _metric(
    namespace: str, endpoint_name: str, name: MetricName, value: float, unit: str
) -> dict[str, object]:
    metric = {
        "Namespace": namespace,
        "Dimensions": [[Dimension.ENDPOINT]],
        "Metrics": [{"Name": name, "Unit": unit}],
    }
    return {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [metric]},
        Dimension.ENDPOINT: endpoint_name,
        name: value,
    }
