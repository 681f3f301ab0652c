"""Reads what an endpoint captured: SageMaker's JSON Lines, one exchange a line.

A file that cannot be read is never taken for one without drift: it stops the analysis, named with
its line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline_code.monitor.exchanges import exchanges_of

__all__ = ["Captures", "Interval", "read_captures"]


@dataclass(frozen=True, slots=True)
class Interval:
    """Inference times from `start` on, before `end`; None is unbounded."""

    start: datetime | None = None
    end: datetime | None = None

    def holds(self, moment: datetime) -> bool:
        """Whether the moment is inside."""
        after = self.start is None or moment >= self.start
        return after and (self.end is None or moment < self.end)


@dataclass(frozen=True, slots=True)
class Captures:
    """Feature vectors that the endpoint answered with.

    Attributes:
        features: One mapping a record.
        files: How many files were read.
        outside: Exchanges outside the interval; SageMaker may download more than it asks about.
        unmonitored: Exchanges in another form than JSON, as a batch of CSV rows, without features.
        probes: Exchanges that are no traffic.
    """

    features: list[Mapping[str, Any]]
    files: int = 0
    outside: int = 0
    unmonitored: int = 0
    probes: int = 0


def read_captures(folder: Path, interval: Interval) -> Captures:
    """All records below the folder in the order of file names.

    Raises:
        BadInput: A line is no capture, or a JSON answer has no features.
    """
    features: list[Mapping[str, Any]] = []
    files = outside = unmonitored = probes = 0
    for file in sorted(folder.rglob("*.jsonl")):
        files += 1
        for exchange in exchanges_of(file, file.relative_to(folder).as_posix()):
            if not interval.holds(exchange.time()):
                outside += 1
            elif exchange.is_probe():
                probes += 1
            elif not exchange.is_json():
                unmonitored += 1
            else:
                features += exchange.features()
    return Captures(features, files, outside, unmonitored, probes)
