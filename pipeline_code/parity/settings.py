"""The settings of the audit, from its environment and its command line."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from pipeline_code.captures.interval import Interval
from pipeline_code.common.exits import BadInput
from pipeline_code.contracts.environment import read, variable
from pipeline_code.features.store.online_store import FeatureGroups

__all__ = ["AuditSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """One audit.

    Attributes:
        raw_bucket: RAW_BUCKET, the lake.
        captures_uri: CAPTURES_URI, the folder of the endpoint's variant.
        groups: CUSTOMER_FEATURE_GROUP and TERMINAL_FEATURE_GROUP.
        endpoint_name: ENDPOINT_NAME, the metrics' dimension.
        metric_namespace: METRIC_NAMESPACE; None publishes no metrics.
        model_version: MODEL_VERSION, the package that serves; None if nobody says.
        end_time: END_TIME, or now.
        hours: --hours, how many are audited.
        settle: --settle-minutes, how long before the end time they end.
        sample: --sample, the most requests to audit.
        lookback: --lookback-days, how far before the first request records are looked for, unless
            a response differs.
    """

    raw_bucket: str
    captures_uri: str
    groups: FeatureGroups
    endpoint_name: str
    metric_namespace: str | None = None
    model_version: str | None = None
    end_time: datetime = variable(default_factory=lambda: datetime.now(UTC))
    hours: timedelta
    settle: timedelta
    sample: int
    lookback: timedelta

    @classmethod
    def parse(cls, argv: Sequence[str], environment: Mapping[str, str]) -> Self:
        """Reads the arguments and the environment.

        Raises:
            BadInput: A variable is missing or wrong.
        """
        arguments = _parser().parse_args(argv)
        return read(
            cls,
            environment,
            BadInput,
            hours=timedelta(hours=arguments.hours),
            settle=timedelta(minutes=arguments.settle_minutes),
            sample=arguments.sample,
            lookback=timedelta(days=arguments.lookback_days),
        )

    @property
    def interval(self) -> Interval:
        """The inference times to audit."""
        end = self.end_time - self.settle
        return Interval(end - self.hours, end)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="parity", description="audit the features of captured answers"
    )
    parser.add_argument("--hours", type=_at_least(1), default=24)
    parser.add_argument("--settle-minutes", type=_at_least(0), default=120)
    parser.add_argument("--sample", type=_at_least(1), default=500)
    parser.add_argument("--lookback-days", type=_at_least(0), default=2)
    return parser


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} on, got {text}")
        return int(text)

    return number
