"""The settings of the job, from its environment."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline_code.captures.interval import Interval
from pipeline_code.captures.reading import open_source
from pipeline_code.contracts.environment import variable

__all__ = ["HOUR", "LabelSettings"]

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSettings:
    """One run.

    Attributes:
        captures_uri: CAPTURES_URI, a folder or a prefix of S3.
        raw_uri: RAW_URI, the lake's root, with `transactions/` and `fraud_reports/`.
        ground_truth_uri: GROUND_TRUTH_URI, where labels go.
        endpoint_name: ENDPOINT_NAME, the metrics' dimension.
        delay: LABEL_DELAY_DAYS, after which a transaction without a report is taken for genuine.
        look_back: LOOK_BACK_HOURS that end now.
        now: END_TIME, or now: nothing later is known.
        metric_namespace: METRIC_NAMESPACE; None publishes no metrics.
    """

    captures_uri: str
    raw_uri: str
    ground_truth_uri: str
    endpoint_name: str
    delay: timedelta = variable("LABEL_DELAY_DAYS", least=0, scale=timedelta(days=1))
    look_back: timedelta = variable("LOOK_BACK_HOURS", least=1, scale=HOUR)
    now: datetime = variable("END_TIME", default_factory=lambda: datetime.now(UTC))
    metric_namespace: str | None = None

    @property
    def captures(self) -> str | Path:
        """Where captures are read from."""
        return open_source(self.captures_uri)

    @property
    def interval(self) -> Interval:
        """The inference times to judge, whole hours.

        An hour's file is written whole, so that all of the hour has to be read.
        """
        return Interval(_floor(self.now - self.look_back), _floor(self.now + HOUR))


def _floor(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
