"""Writes the ground truth of captured predictions, hour by hour.

Guarantees:
    The same captures and lake give the same files, byte for byte, and a file that would not change
    is not written: a run that is repeated, or that broke off in the middle, does no harm.
    A prediction has one label at most; a report that came late, or again, corrects it.
    An hour without a captured prediction is left as it is: its captures may have been deleted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline_code.captures.chunks import Tally
from pipeline_code.captures.datasets import DatasetFormat
from pipeline_code.captures.ground_truth import render
from pipeline_code.captures.hour_files import HourFiles
from pipeline_code.captures.interval import Interval
from pipeline_code.captures.reading import read_chunks
from pipeline_code.features.events import epoch_microseconds
from pipeline_code.labels.judging import Counts, event_times, judge
from pipeline_code.labels.lake import FraudReports, Lake
from pipeline_code.labels.settings import HOUR, LabelSettings

__all__ = ["LabelRunResult", "write_labels"]

Ints = npt.NDArray[np.int64]

LABELS = "labels.jsonl"
# Few listings of captures, and few of them held at once.
STEP = 6 * HOUR
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
# Until when an empty lake is whole: nothing is old enough.
NEVER = epoch_microseconds(datetime.min.replace(tzinfo=UTC))
JOINED = ("label_id", "inference_time", "transaction_id", "event_time")


@dataclass(slots=True)
class LabelRunResult:
    """What a run came to.

    Attributes:
        as_of: Until when the lake was whole, in microseconds; None if it is empty.
        counts: The predictions.
        tally: What the reader met.
        written: Files that changed.
        unmet: Old enough reports, about transactions between the first and the last that was asked
            about, that met no captured prediction: captures may be a sample.
    """

    as_of: int | None
    counts: Counts = field(default_factory=Counts)
    tally: Tally = field(default_factory=Tally)
    written: int = 0
    unmet: int = 0

    def message(self) -> str:
        """In words."""
        counts = self.counts
        if counts.predictions == 0:
            return f"Completed: no captured predictions to judge{self._left_out()}"
        return (
            f"Completed: {counts.judged} of {counts.predictions} predictions judged, "
            f"{counts.frauds} of them frauds, as of {self._as_of()}; {counts.waiting} wait, "
            f"{counts.unidentified} without an id, {counts.ambiguous} with another's id; "
            f"{self.unmet} reports met no captured prediction; {self.written} files changed"
            f"{self._left_out()}"
        )

    def _as_of(self) -> str:
        return "never: the lake is empty" if self.as_of is None else _told(self.as_of)

    def _left_out(self) -> str:
        tally = self.tally
        return (
            f" ({tally.files} files read; left out: {tally.unmonitored} exchanges without "
            f"features, {tally.probes} probes)"
        )


def write_labels(settings: LabelSettings, lake: Lake, truth: HourFiles) -> LabelRunResult:
    """Judges what was captured in the interval, and writes what has changed.

    Raises:
        BadInput: A capture or a file of the lake cannot be read; what was judged before is written.
    """
    outcome = LabelRunResult(as_of=lake.newest(settings.now))
    as_of = NEVER if outcome.as_of is None else outcome.as_of
    delay = settings.delay // MICROSECOND
    reports = FraudReports(lake, as_of)
    met = _SeenTransactions()
    for hour, predictions in _hours(settings, outcome.tally):
        labels = judge(predictions, reports.about, as_of=as_of, delay=delay, counts=outcome.counts)
        outcome.written += truth.replace(hour, LABELS, render(labels))
        met.add(predictions)
    outcome.unmet = met.unmet(reports, as_of - delay)
    return outcome


def _hours(settings: LabelSettings, tally: Tally) -> Iterator[tuple[datetime, pa.Table]]:
    """The predictions of each hour that has any."""
    start, end = settings.interval.start, settings.interval.end
    assert start is not None and end is not None  # noqa: S101 - as parsed
    while start < end:
        step = Interval(start, min(start + STEP, end))
        chunks = read_chunks(settings.captures, DatasetFormat(), step, tally, with_predictions=True)
        # Only what is joined is kept.
        tables = [
            chunk.predictions.select(JOINED) for chunk in chunks if chunk.predictions is not None
        ]
        if tables:
            yield from _by_hour(pa.concat_tables(tables))
        start += STEP


def _by_hour(predictions: pa.Table) -> Iterator[tuple[datetime, pa.Table]]:
    times = predictions["inference_time"].cast(pa.int64()).to_numpy()
    hours = times // (HOUR // MICROSECOND)
    for hour in np.unique(hours).tolist():
        yield EPOCH + hour * HOUR, predictions.filter(pa.array(hours == hour))


@dataclass(slots=True)
class _SeenTransactions:
    """Which transactions were asked about, and when they were."""

    ids: list[Ints] = field(default_factory=list)
    first: int | None = None
    last: int | None = None

    def add(self, predictions: pa.Table) -> None:
        times = event_times(predictions)
        first, last = int(times.min()), int(times.max())
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)
        self.ids.append(predictions["transaction_id"].drop_null().to_numpy())

    def unmet(self, reports: FraudReports, old: int) -> int:
        """How many reported transactions, old enough and of that time, were not asked about."""
        if self.first is None or self.last is None:
            return 0
        known = reports.of(self.first, min(self.last, old))
        return int((~np.isin(known, np.concatenate(self.ids))).sum())


def _told(microseconds: int) -> str:
    return f"{EPOCH + microseconds * MICROSECOND:%Y-%m-%dT%H:%M:%SZ}"
