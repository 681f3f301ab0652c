"""The lake as labels need it: how far it has come, and the fraud reports in it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline_code.common.casting import cast_or_none
from pipeline_code.common.exits import BadInput
from pipeline_code.common.schema import DATASETS, Dataset
from pipeline_code.features.events import epoch_microseconds
from pipeline_code.parity.objects import Folder

__all__ = ["MICROSECONDS_PER_DAY", "FraudReports", "Lake"]

Ints = npt.NDArray[np.int64]

MICROSECONDS_PER_DAY = 86_400_000_000
TRANSACTIONS, FRAUD_REPORTS, _ = DATASETS
WANTED = ("transaction_id", "event_time", "report_time")


@dataclass(frozen=True, slots=True)
class Lake:
    """The raw lake in S3.

    Lake.of(client, "s3://raw/").newest(now)
    """

    root: Folder

    @classmethod
    def of(cls, client: Any, uri: str) -> Self:
        """The lake at a URI; `client` is a boto3 client of s3.

        Raises:
            BadInput: It is no URI of S3.
        """
        return cls(Folder.of(client, uri))

    def newest(self, now: datetime) -> int | None:
        """The latest event or report that has landed, in microseconds; never later than now.

        Until then the lake is taken to be whole. None if it is empty.

        Raises:
            BadInput: A file cannot be read.
        """
        latest, today = epoch_microseconds(now), now.astimezone(UTC).date()
        found = [
            time
            for dataset in (TRANSACTIONS, FRAUD_REPORTS)
            for time in [self._newest(dataset, today)]
            if time is not None
        ]
        return min(max(found), latest) if found else None

    def _newest(self, dataset: Dataset, today: date) -> int | None:
        time = str(dataset.time)
        for day in reversed(self._days(dataset)):
            if day > today:
                continue
            tables = self.read(dataset, day, (time,))
            newest = [int(each[time].max()) for each in tables if len(each[time])]
            if newest:
                return max(newest)
        return None

    def reports(self, first: date, last: date) -> Iterator[dict[str, Ints]]:
        """The fraud reports that came from the first day to the last.

        Raises:
            BadInput: A file cannot be read.
        """
        for day in self._days(FRAUD_REPORTS):
            if first <= day <= last:
                yield from self.read(FRAUD_REPORTS, day, WANTED)

    def read(
        self, dataset: Dataset, day: date, names: tuple[str, ...]
    ) -> Iterator[dict[str, Ints]]:
        """Columns of a day's files, as integers, a file at a time."""
        folder = self.root / dataset.name / f"{dataset.partition}={day.isoformat()}"
        for key in folder.objects():
            if key.endswith(".parquet") and key.rpartition("/")[2][0] not in "_.":
                table = folder.table(key, list(names))
                yield {
                    name: _integers(
                        table[name], dataset.schema.field(name).type, f"{key}: column {name}"
                    )
                    for name in names
                }

    def _days(self, dataset: Dataset) -> list[date]:
        days = []
        for name in (self.root / dataset.name).folders():
            partition, _, text = name.partition("=")
            # Other programs keep folders of their own beside the days.
            if partition == dataset.partition:
                days.append(_day(text, f"{dataset.name}/{name}"))
        return sorted(days)


@dataclass(slots=True)
class FraudReports:
    """The reports that are known by a time, read from the lake as far back as they are needed.

    Attributes:
        as_of: What came later is not known, in microseconds.
    """

    lake: Lake
    as_of: int
    _ids: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    _times: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    _since: date | None = None

    def about(self, transactions: Ints, since: int) -> npt.NDArray[np.bool_]:
        """Which transactions, none of them before `since`, were reported; corrections are one."""
        self._read_back_to(_date(since))
        found: npt.NDArray[np.bool_] = np.isin(transactions, self._ids)
        return found

    def of(self, first: int, last: int) -> Ints:
        """The reported transactions between two event times, both included, in order of ids."""
        wanted: Ints = self._ids[(self._times >= first) & (self._times <= last)]
        return wanted

    def _read_back_to(self, first: date) -> None:
        """A report never comes before its transaction; nor does its partition."""
        until = _date(self.as_of)
        if self._since is not None:
            if first >= self._since:
                return
            until = date.fromordinal(self._since.toordinal() - 1)
        ids, times = [self._ids], [self._times]
        for rows in self.lake.reports(first, until):
            known = rows["report_time"] <= self.as_of
            ids.append(rows["transaction_id"][known])
            times.append(rows["event_time"][known])
        self._ids, places = np.unique(np.concatenate(ids), return_index=True)
        self._times = np.concatenate(times)[places]
        self._since = first


def _integers(column: pa.ChunkedArray, kind: pa.DataType, place: str) -> Ints:
    values = cast_or_none(column.combine_chunks(), kind)
    if values is None or values.null_count:
        raise BadInput(f"{place} must be {kind} in every row; land the file again")
    integers: Ints = values.cast(pa.int64()).to_numpy()
    return integers


def _day(text: str, place: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"{place} must be a day like 2018-04-01, got {text!r}") from error


def _date(microseconds: int) -> date:
    return date(1970, 1, 1) + timedelta(days=microseconds // MICROSECONDS_PER_DAY)
