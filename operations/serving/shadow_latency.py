"""The latency of a variant's model, by CloudWatch."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Self

from operations.serving.shadow_captures import CaptureInterval
from operations.target import Target
from pipeline_code.contracts.outputs import Output

__all__ = ["Latency"]

MICROSECONDS = 1000.0
PERCENTILES = ("p50", "p99")


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds that requests took; None if CloudWatch has none of them."""

    mean: float | None
    p50: float | None
    p99: float | None

    @classmethod
    def of(cls, target: Target, variant: str, window: CaptureInterval) -> Self:
        """The latency of one variant's model in a window, the whole of it in one datapoint.

        CloudWatch keeps minutes, so the window's ends are those of its minutes.
        """
        minute = timedelta(minutes=1)
        start = window.start.replace(second=0, microsecond=0)
        minutes = -((start - window.end) // minute)
        cloudwatch = target.client("cloudwatch")
        query = {
            "Namespace": "AWS/SageMaker",
            "MetricName": "ModelLatency",
            "Dimensions": [
                {"Name": "EndpointName", "Value": target.output(Output.ENDPOINT)},
                {"Name": "VariantName", "Value": variant},
            ],
            "StartTime": start,
            "EndTime": start + minutes * minute,
            "Period": minutes * 60,
        }
        # One call takes either kind of statistics.
        means = cloudwatch.get_metric_statistics(**query, Statistics=["Average"])["Datapoints"]
        percentiles = cloudwatch.get_metric_statistics(
            **query, ExtendedStatistics=list(PERCENTILES)
        )["Datapoints"]
        newest = max(percentiles, key=lambda point: point["Timestamp"], default=None)
        extended: dict[str, Any] = newest["ExtendedStatistics"] if newest else {}
        mean = max(means, key=lambda point: point["Timestamp"])["Average"] if means else None
        return cls(
            mean=_milliseconds(mean), **{p: _milliseconds(extended.get(p)) for p in PERCENTILES}
        )

    def as_dict(self) -> dict[str, float | None]:
        return asdict(self)


def _milliseconds(value: float | None) -> float | None:
    return None if value is None else value / MICROSECONDS
