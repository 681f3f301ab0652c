"""Tells CloudWatch how much is known of what was predicted.

Metrics, in the namespace of the environment:
    LabelMaturity (Endpoint, Monitor `labels`): the part of the predictions that has been judged;
        not published if there were none, so that an alarm does not take silence for health.
    UnmetReports (Endpoint): fraud reports that met no captured prediction.
"""

from typing import Any

from pipeline_code.labels.job import Outcome

__all__ = ["publish"]

MONITOR = "labels"


def publish(outcome: Outcome, *, namespace: str, endpoint_name: str, cloudwatch: Any) -> None:
    """Publishes the metrics; a boto3 client of cloudwatch."""
    endpoint = {"Name": "Endpoint", "Value": endpoint_name}
    metrics = [_metric("UnmetReports", outcome.unmet, [endpoint], "Count")]
    maturity = outcome.counts.maturity
    if maturity is not None:
        dimensions = [endpoint, {"Name": "Monitor", "Value": MONITOR}]
        metrics.append(_metric("LabelMaturity", maturity, dimensions, "None"))
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=metrics)


def _metric(name: str, value: float, dimensions: list[dict[str, str]], unit: str) -> dict[str, Any]:
    return {"MetricName": name, "Dimensions": dimensions, "Value": value, "Unit": unit}
