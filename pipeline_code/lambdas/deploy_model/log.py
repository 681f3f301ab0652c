"""What the function says: JSON lines, one of which counts failed deployments as a metric."""

import json
import time

__all__ = ["count_failure", "log"]


def log(message: str, **fields: object) -> None:
    """Say something."""
    print(json.dumps({"message": message, **fields}, default=str))


def count_failure(namespace: str, endpoint_name: str, **fields: object) -> None:
    """Count a deployment that a person has to look at, in CloudWatch's embedded metric format."""
    metric = {
        "Namespace": namespace,
        "Dimensions": [["EndpointName"]],
        "Metrics": [{"Name": "FailedDeployments", "Unit": "Count"}],
    }
    log(
        "a deployment failed",
        _aws={"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [metric]},
        EndpointName=endpoint_name,
        FailedDeployments=1,
        **fields,
    )
