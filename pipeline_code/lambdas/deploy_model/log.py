"""What the function says: JSON lines; some are metrics, in CloudWatch's embedded format."""

import json
import time
from datetime import UTC, datetime, timedelta

__all__ = ["count_failure", "log", "measure_age"]


def log(message: str, **fields: object) -> None:
    """Say something."""
    print(json.dumps({"message": message, **fields}, default=str))


def count_failure(namespace: str, endpoint_name: str, **fields: object) -> None:
    """Count a deployment that a person has to look at."""
    log(
        "a deployment failed",
        _aws=_metric(namespace, "EndpointName", "FailedDeployments", "Count"),
        EndpointName=endpoint_name,
        FailedDeployments=1,
        **fields,
    )


def measure_age(namespace: str, endpoint_name: str, created: datetime, **fields: object) -> None:
    """Say how many days ago the package that an endpoint serves was registered."""
    log(
        "age of the champion",
        _aws=_metric(namespace, "Endpoint", "ChampionAgeDays", "None"),
        Endpoint=endpoint_name,
        ChampionAgeDays=(datetime.now(UTC) - created) / timedelta(days=1),
        **fields,
    )


def _metric(namespace: str, dimension: str, name: str, unit: str) -> dict[str, object]:
    metric = {
        "Namespace": namespace,
        "Dimensions": [[dimension]],
        "Metrics": [{"Name": name, "Unit": unit}],
    }
    return {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [metric]}
