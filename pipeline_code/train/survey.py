"""One pass over the rows before anything learns from them: what they hold, and what is wrong.

All hosts of a job come to the same survey, of all rows together.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_code.common.exits import BadInput
from pipeline_code.train.batches import Batch, Batches
from pipeline_code.train.hosts import ALONE, Team

__all__ = ["DAY", "Survey", "check_classes"]

DAY = 86_400_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What the rows hold.

    Survey.of(batches, "train", FEATURE_NAMES).frauds

    Attributes:
        rows: How many there are.
        own_rows: How many of them this host has.
        first_time: Event time of the oldest row, microseconds.
        last_time: Event time of the newest.
        day_rows: Rows of each day (UTC) from the first to the last.
        day_frauds: Frauds of each day.
        constant: Features that have one value in all rows.
        digest: A hash over every value, of all hosts.
    """

    rows: int
    own_rows: int
    first_time: int
    last_time: int
    day_rows: npt.NDArray[np.int64]
    day_frauds: npt.NDArray[np.int64]
    constant: tuple[str, ...]
    digest: str

    @classmethod
    def of(cls, batches: Batches, name: str, names: Sequence[str], team: Team = ALONE) -> "Survey":
        """Reads all rows once.

        Args:
            batches: This host's rows.
            name: What messages call them.
            names: The features' names.
            team: The hosts that have the other rows.

        Raises:
            BadInput: No rows, on any host; a value that is no finite number.
        """
        with team.all_or_none():
            own = _HostSurvey.read(batches, name, names)
        return own.joined(names, team)

    @property
    def frauds(self) -> int:
        """How many rows are frauds."""
        return int(self.day_frauds.sum())

    def period(self) -> tuple[str, str]:
        """ISO-8601 times of the oldest and the newest row."""
        first, last = (np.datetime64(time, "us") for time in (self.first_time, self.last_time))
        return f"{first}Z", f"{last}Z"

    def check(self, name: str, allow_constant: bool) -> None:
        """Raises BadInput if these rows could only make a silently bad model."""
        check_classes(self.rows, self.frauds, name)
        if self.constant and not allow_constant:
            raise BadInput(
                f"{name} column {self.constant[0]} must have more than one value, got the same in "
                f"all {self.rows} rows ({', '.join(self.constant)}); use a longer window, or "
                "hyperparameter allow_constant_features"
            )

    def slice_start(self, days: int, name: str) -> int:
        """The event time at which the latest so many days begin.

        Raises:
            BadInput: No day is left before them, or one of the two parts lacks a class.
        """
        there = len(self.day_rows)
        if days >= there:
            raise BadInput(
                f"hyperparameter validation_days must be less than the days of {name}, got {days} "
                f"of {there}; use a longer window or fewer days"
            )
        for part, chosen in (
            ("the days before the validation slice", slice(None, -days)),
            ("the validation slice", slice(-days, None)),
        ):
            rows, frauds = self.day_rows[chosen].sum(), self.day_frauds[chosen].sum()
            check_classes(int(rows), int(frauds), f"{name}, {part}")
        return (self.last_time // DAY - days + 1) * DAY


def check_classes(rows: int, frauds: int, name: str) -> None:
    """Raises BadInput unless there are both frauds and genuine transactions."""
    if rows == 0:
        raise BadInput(f"{name} must hold at least one row, got none; use a longer window")
    if frauds == 0:
        raise BadInput(
            f"{name} must hold at least one fraud, got none in {rows} rows; "
            "use a longer window or wait for reports"
        )
    if frauds == rows:
        raise BadInput(f"{name} must hold a genuine transaction, got {frauds} frauds only")


class _HostSurvey:
    """One host's part of the survey."""

    def __init__(self, width: int) -> None:
        self.days: dict[int, tuple[int, int]] = {}
        self.rows = 0
        self.first_time, self.last_time = np.iinfo(np.int64).max, np.iinfo(np.int64).min
        self.lowest = np.full(width, np.inf, dtype=np.float32)
        self.highest = np.full(width, -np.inf, dtype=np.float32)
        self.hash = hashlib.sha256()

    @classmethod
    def read(cls, batches: Batches, name: str, names: Sequence[str]) -> "_HostSurvey":
        own = cls(len(names))
        for batch in batches:
            _check_finite(batch, own.rows, name, names)
            own.add(batch)
        if own.rows == 0:
            raise BadInput(f"{name} must hold at least one row, got none; use a longer window")
        return own

    def add(self, batch: Batch) -> None:
        for part in (batch.rows, batch.labels, batch.times):
            self.hash.update(np.ascontiguousarray(part).data)
        self.rows += len(batch)
        self.first_time = min(self.first_time, int(batch.times.min()))
        self.last_time = max(self.last_time, int(batch.times.max()))
        self.lowest = np.minimum(self.lowest, batch.rows.min(axis=0))
        self.highest = np.maximum(self.highest, batch.rows.max(axis=0))
        days, indices = np.unique(batch.times // DAY, return_inverse=True)
        rows = np.bincount(indices)
        frauds = np.bincount(indices, weights=batch.labels).astype(np.int64)
        for day, count, bad in zip(days.tolist(), rows.tolist(), frauds.tolist(), strict=True):
            before = self.days.get(day, (0, 0))
            self.days[day] = (before[0] + count, before[1] + bad)

    def joined(self, names: Sequence[str], team: Team) -> Survey:
        first_time = int(team.lowest(np.array([self.first_time]))[0])
        last_time = int(team.highest(np.array([self.last_time]))[0])
        first_day = first_time // DAY
        counts = np.zeros((2, last_time // DAY - first_day + 1), dtype=np.int64)
        for day, (rows, frauds) in self.days.items():
            counts[:, day - first_day] = rows, frauds
        counts = team.total(counts)
        same = team.lowest(self.lowest) == team.highest(self.highest)
        digests = team.texts(self.hash.hexdigest())
        return Survey(
            rows=int(counts[0].sum()),
            own_rows=self.rows,
            first_time=first_time,
            last_time=last_time,
            day_rows=counts[0],
            day_frauds=counts[1],
            constant=tuple(name for name, one in zip(names, same, strict=True) if one),
            digest=hashlib.sha256("".join(digests).encode()).hexdigest(),
        )


def _check_finite(batch: Batch, place: int, name: str, names: Sequence[str]) -> None:
    finite = np.isfinite(batch.rows)
    if not finite.all():
        row, column = (int(number) for number in np.argwhere(~finite)[0])
        raise BadInput(
            f"{name} column {names[column]} must be finite, "
            f"got {batch.rows[row, column]} in row {place + row}"
        )
