"""Tells CloudWatch what an audit found.

Metrics, in the namespace of the environment, each with the dimension EndpointName:
    ParityRows: requests audited; its absence, or none of them, is an alarm of its own.
    ParityMismatchRate (percent): answers that are not batch's, for whatever reason.
    ParityDefects, ParityLate, ParityDegraded: how many of each.
All but the first are not published if there was nothing to audit, so that an alarm does not take
silence for health.
"""

from collections.abc import Mapping
from typing import Any

from pipeline_code.contracts.metrics import Dimension, MetricName

__all__ = ["publish"]

_COUNTS = {
    MetricName.PARITY_DEFECTS: "defects",
    MetricName.PARITY_LATE: "late",
    MetricName.PARITY_DEGRADED: "degraded",
}


def publish(
    found: Mapping[str, Any], *, namespace: str, endpoint_name: str, cloudwatch: Any
) -> None:
    """Publishes the metrics of an audit's document; a boto3 client of cloudwatch."""
    rows = found["rows"]
    values = [(MetricName.PARITY_ROWS, rows, "Count")]
    if rows:
        values += [(name, found[key], "Count") for name, key in _COUNTS.items()]
        values.append(
            (MetricName.PARITY_MISMATCH_RATE, 100 * found["mismatches"] / rows, "Percent")
        )
    dimensions = [{"Name": Dimension.ENDPOINT, "Value": endpoint_name}]
    cloudwatch.put_metric_data(
        Namespace=namespace,
        MetricData=[
            {"MetricName": name, "Dimensions": dimensions, "Value": value, "Unit": unit}
            for name, value, unit in values
        ],
    )
