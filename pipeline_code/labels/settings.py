"""What the job is told by its environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from pipeline_code.captures.interval import Interval
from pipeline_code.captures.reading import open_source
from pipeline_code.captures.window import moment_of
from pipeline_code.common.exits import BadInput

__all__ = ["HOUR", "LabelSettings"]

HOUR = timedelta(hours=1)

_NAMES = ("CAPTURES_URI", "RAW_URI", "GROUND_TRUTH_URI", "ENDPOINT_NAME")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSettings:
    """One run.

    Attributes:
        captures: CAPTURES_URI, a folder or a prefix of S3.
        raw_uri: RAW_URI, the lake's root, with `transactions/` and `fraud_reports/`.
        ground_truth_uri: GROUND_TRUTH_URI, where labels go.
        endpoint_name: ENDPOINT_NAME, the metrics' dimension.
        delay: LABEL_DELAY_DAYS, after which a transaction without a report is taken for genuine.
        now: END_TIME, or now: nothing later is known.
        interval: The inference times to judge, whole hours: LOOK_BACK_HOURS that end now.
        metric_namespace: METRIC_NAMESPACE; None publishes no metrics.
    """

    captures: str | Path
    raw_uri: str
    ground_truth_uri: str
    endpoint_name: str
    delay: timedelta
    now: datetime
    interval: Interval
    metric_namespace: str | None

    @classmethod
    def parse(cls, environment: Mapping[str, str]) -> Self:
        """Reads the environment.

        Raises:
            BadInput: A variable is missing or wrong.
        """
        for name in _NAMES:
            if not environment.get(name):
                raise BadInput(f"{name} must be set, got none")
        delay = _whole(environment, "LABEL_DELAY_DAYS", least=0)
        look_back = _whole(environment, "LOOK_BACK_HOURS", least=1)
        now = moment_of(environment, "END_TIME") or datetime.now(UTC)
        namespace = environment.get("METRIC_NAMESPACE", "")
        return cls(
            captures=open_source(environment["CAPTURES_URI"]),
            raw_uri=environment["RAW_URI"],
            ground_truth_uri=environment["GROUND_TRUTH_URI"],
            endpoint_name=environment["ENDPOINT_NAME"],
            delay=timedelta(days=delay),
            now=now,
            # An hour's file is written whole, so that all of the hour has to be read.
            interval=Interval(_floor(now - look_back * HOUR), _floor(now + HOUR)),
            metric_namespace=namespace if namespace else None,
        )


def _whole(environment: Mapping[str, str], name: str, *, least: int) -> int:
    text = environment.get(name, "")
    if not text.isdecimal() or int(text) < least:
        raise BadInput(f"{name} must be a whole number from {least} on, got {text or 'none'}")
    return int(text)


def _floor(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
