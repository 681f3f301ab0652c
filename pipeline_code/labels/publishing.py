"""Tells CloudWatch how much is known of what was predicted.

Metrics, in the namespace of the environment:
    LabelMaturity (EndpointName, Monitor `labels`): the part of the predictions that has been
        judged; not published if there were none, so that an alarm does not take silence for health.
    UnmetReports (EndpointName): fraud reports that met no captured prediction.
"""

from typing import Any

from pipeline_code.contracts.metrics import Dimension, MetricName
from pipeline_code.contracts.monitoring import LABELS
from pipeline_code.labels.job import LabelRunResult

__all__ = ["publish"]


def publish(
    outcome: LabelRunResult, *, namespace: str, endpoint_name: str, cloudwatch: Any
) -> None:
    """Publishes the metrics; a boto3 client of cloudwatch."""
    endpoint = {"Name": Dimension.ENDPOINT, "Value": endpoint_name}
    metrics = [_metric(MetricName.UNMET_REPORTS, outcome.unmet, [endpoint], "Count")]
    maturity = outcome.counts.maturity
    if maturity is not None:
        dimensions = [endpoint, {"Name": Dimension.MONITOR, "Value": LABELS}]
        metrics.append(_metric(MetricName.LABEL_MATURITY, maturity, dimensions, "None"))
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=metrics)


def _metric(name: str, value: float, dimensions: list[dict[str, str]], unit: str) -> dict[str, Any]:
    return {"MetricName": name, "Dimensions": dimensions, "Value": value, "Unit": unit}
