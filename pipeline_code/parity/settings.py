"""What the audit is told by its environment and its command line."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from pipeline_code.captures.interval import Interval
from pipeline_code.common.exits import BadInput
from pipeline_code.features.online_store import FeatureGroups
from pipeline_code.monitor.settings import moment_of

__all__ = ["AuditSettings"]

_NAMES = (
    "RAW_BUCKET",
    "CAPTURES_URI",
    "CUSTOMER_FEATURE_GROUP",
    "TERMINAL_FEATURE_GROUP",
    "ENDPOINT_NAME",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """One audit.

    Attributes:
        raw_bucket: RAW_BUCKET, the lake.
        captures_uri: CAPTURES_URI, the folder of the endpoint's variant.
        groups: CUSTOMER_FEATURE_GROUP and TERMINAL_FEATURE_GROUP.
        endpoint_name: ENDPOINT_NAME, the metrics' dimension.
        metric_namespace: METRIC_NAMESPACE; None publishes no metrics.
        interval: The inference times to audit: --hours that end --settle-minutes before END_TIME,
            or before now.
        sample: --sample, the most requests to audit.
        lookback: --lookback-days, how far before the first request records are looked for, unless
            an answer differs.
    """

    raw_bucket: str
    captures_uri: str
    groups: FeatureGroups
    endpoint_name: str
    metric_namespace: str | None
    interval: Interval
    sample: int
    lookback: timedelta

    @classmethod
    def parse(cls, argv: Sequence[str], environment: Mapping[str, str]) -> Self:
        """Reads the arguments and the environment.

        Raises:
            BadInput: A variable is missing or wrong.
        """
        arguments = _parser().parse_args(argv)
        for name in _NAMES:
            if not environment.get(name):
                raise BadInput(f"{name} must be set, got none")
        asked = moment_of(environment, "END_TIME") or datetime.now(UTC)
        end = asked - timedelta(minutes=arguments.settle_minutes)
        namespace = environment.get("METRIC_NAMESPACE", "")
        return cls(
            raw_bucket=environment["RAW_BUCKET"],
            captures_uri=environment["CAPTURES_URI"],
            groups=FeatureGroups(
                customer=environment["CUSTOMER_FEATURE_GROUP"],
                terminal=environment["TERMINAL_FEATURE_GROUP"],
            ),
            endpoint_name=environment["ENDPOINT_NAME"],
            metric_namespace=namespace if namespace else None,
            interval=Interval(end - timedelta(hours=arguments.hours), end),
            sample=arguments.sample,
            lookback=timedelta(days=arguments.lookback_days),
        )


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
