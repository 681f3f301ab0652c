"""The costs of SageMaker's instances, day by day, as far as CloudWatch itself can tell."""

from __future__ import annotations

from dataclasses import dataclass, fields

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

__all__ = ["CostConfig", "cost_widgets"]

DAY = Duration.days(1)
# An instance reports once a minute.
REPORTS_PER_HOUR = 60
NOTE = (
    "### What this counts\n"
    "Instances of SageMaker report once a minute: so many reports are so many {unit}. Jobs are all "
    "of this account and region, since their metrics carry nobody's tags. Storage, requests, "
    "streams and queries are not in it: the whole bill is `AWS/Billing EstimatedCharges`, which "
    "CloudWatch has in Northern Virginia only, once billing alerts are switched on; Cost Explorer "
    "splits it by tags."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostConfig:
    """Prices in USD per instance and hour, of the instances that an environment uses.

    They differ by region and contract and change, so that there are none by default: without them
    the dashboard shows hours of instances.

    Attributes:
        endpoint: Of the endpoint's instances.
        processing: Of those of processing jobs.
        training: Of those of training jobs.
    """

    endpoint: float | None = None
    processing: float | None = None
    training: float | None = None

    def __post_init__(self) -> None:
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        missing = [name for name, price in given.items() if price is None]
        if missing and len(missing) < len(given):
            raise ValueError(
                f"{missing[0]} must be a price if the others are, got None; give all or none, "
                "since hours and USD do not add up"
            )
        for name, price in given.items():
            if price is not None and price < 0:
                raise ValueError(f"{name} must be at least 0, got {price}; give USD per hour")

    @property
    def has_prices(self) -> bool:
        """Whether cost can be shown, and not only hours."""
        return self.endpoint is not None


def cost_widgets(
    endpoint_name: str, variant_name: str, prices: CostConfig
) -> list[cloudwatch.IWidget]:
    """A graph of a day's cost, or hours, of endpoint, processing and training; and what it counts.

    Args:
        endpoint_name: The endpoint.
        variant_name: Its production variant.
        prices: What an hour costs.
    """
    unit = "USD" if prices.has_prices else "instance hours"
    lines: dict[str, tuple[cloudwatch.IMetric, float | None]] = {
        "Endpoint": (_of_endpoint(endpoint_name, variant_name), prices.endpoint),
        "Processing": (_of_jobs("ProcessingJobs"), prices.processing),
        "Training": (_of_jobs("TrainingJobs"), prices.training),
    }
    return [
        cloudwatch.GraphWidget(
            title=f"Cost per day ({unit})",
            width=16,
            stacked=True,
            period=DAY,
            left=[
                _hours(label, reports, 1.0 if price is None else price)
                for label, (reports, price) in lines.items()
            ],
        ),
        cloudwatch.TextWidget(width=8, height=6, markdown=NOTE.format(unit=unit)),
    ]


def _hours(label: str, reports: cloudwatch.IMetric, price: float) -> cloudwatch.MathExpression:
    name = label.lower()
    return cloudwatch.MathExpression(
        expression=f"FILL({name}, 0) / {REPORTS_PER_HOUR} * {price}",
        using_metrics={name: reports},
        label=label,
        period=DAY,
    )


def _of_endpoint(endpoint_name: str, variant_name: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace="/aws/sagemaker/Endpoints",
        metric_name="CPUUtilization",
        dimensions_map={"EndpointName": endpoint_name, "VariantName": variant_name},
        statistic="SampleCount",
        period=DAY,
    )


def _of_jobs(kind: str) -> cloudwatch.MathExpression:
    """Every host of every job there is by then."""
    search = f'{{/aws/sagemaker/{kind},Host}} MetricName="CPUUtilization"'
    return cloudwatch.MathExpression(
        expression=f"SUM(SEARCH('{search}', 'SampleCount', {DAY.to_seconds()}))",
        using_metrics={},
        period=DAY,
    )
