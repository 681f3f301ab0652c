"""Predictions that have been judged, kept in little memory until all of them are there."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_code.captures.ground_truth import LabelledRecords
from pipeline_code.monitor.flagging import flagged
from pipeline_code.quality.scored import Floats, ScoredRows

__all__ = ["LabelledPredictions"]

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]
MICROSECONDS_PER_DAY = 86_400_000_000
NAMES = ("scores", "customers", "days", "labels", "flagged")


@dataclass(slots=True)
class LabelledPredictions:
    """What is known of the predictions of an interval.

    Attributes:
        predictions: How many there are.
        frauds: Judged predictions about frauds.
        unscored: Those without a score, which cannot be judged.
    """

    predictions: int = 0
    frauds: int = 0
    unscored: int = 0
    _parts: dict[str, list[Array]] = field(default_factory=lambda: {name: [] for name in NAMES})
    _times: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, labelled: Iterable[LabelledRecords], threshold: float) -> Self:
        """Takes all predictions.

        Args:
            labelled: Some at a time.
            threshold: The score from which on one counts as called a fraud if nobody decided.
        """
        judged = cls()
        for each in labelled:
            judged._add(each.predictions, each.labels, threshold)
        return judged

    def __len__(self) -> int:
        return sum(map(len, self._parts["labels"]))

    @property
    def maturity(self) -> float:
        """The part of the predictions that has been judged; 0 of none."""
        return len(self) / self.predictions if self.predictions else 0.0

    @property
    def rankable(self) -> bool:
        """Whether there are both frauds and genuine transactions."""
        return 0 < self.frauds < len(self)

    @property
    def flagged(self) -> npt.NDArray[np.bool_]:
        """Which judged predictions were called frauds: by what was decided, or by the score."""
        return np.concatenate(self._parts["flagged"])

    def dataset(self) -> dict[str, Any]:
        """The documented section about what was analyzed."""
        section: dict[str, Any] = {"item_count": len(self)}
        if self._times:
            ends = min(self._times), max(self._times)
            first, last = (f"{np.datetime64(each, 'us')}Z" for each in ends)
            section |= {"start_time": first, "end_time": last}
        return section

    def counts(self) -> dict[str, float]:
        """How many predictions have been judged."""
        return {
            "predictions": self.predictions,
            "judged": len(self),
            "frauds": self.frauds,
            "unscored": self.unscored,
            "maturity": self.maturity,
        }

    def scored(self) -> ScoredRows:
        """The judged predictions, as evaluation measures rows; there must be some."""
        count = len(self)
        # Nobody asks for the amounts and scenarios, so that they take no memory.
        nothing = np.broadcast_to(np.int64(0), count)
        return ScoredRows(
            days=self._whole("days").astype(np.int64),
            customers=self._whole("customers").astype(np.int64),
            labels=self._whole("labels"),
            scores=self._whole("scores").astype(np.float64),
            amounts=nothing,
            scenarios=np.broadcast_to(np.int8(0), count),
        )

    def _whole(self, name: str) -> Array:
        return np.concatenate(self._parts[name])

    def _add(self, predictions: pa.Table, labels: npt.NDArray[np.int8], threshold: float) -> None:
        scores = _numbers(predictions["score"])
        known = labels >= 0
        scored = ~np.isnan(scores)
        self.predictions += len(labels)
        self.unscored += int((~scored).sum())
        keep = known & scored
        if not keep.any():
            return
        rows = predictions.filter(pa.array(keep))
        kept = {
            "scores": _narrow(scores[keep], np.float32),
            "customers": _narrow(self._customers(rows["customer_id"]), np.int32),
            "days": _days(rows).astype(np.int32),
            "labels": labels[keep],
            "flagged": flagged(rows, threshold).to_numpy(),
        }
        for name, values in kept.items():
            self._parts[name].append(values)
        times = pc.min_max(rows["inference_time"].cast(pa.int64())).as_py()
        self._times += [times["min"], times["max"]]
        self._times = [min(self._times), max(self._times)]
        self.frauds += int(labels[keep].sum())

    def _customers(self, column: pa.ChunkedArray) -> Ints:
        """Each row's customer; one whose customer is not told is nobody else's."""
        known = pc.is_valid(column).to_numpy(zero_copy_only=False)
        customers: Ints = pc.fill_null(column, 0).to_numpy().copy()
        indices = np.flatnonzero(~known)
        customers[indices] = -1 - (len(self) + indices)
        return customers


def _numbers(column: pa.ChunkedArray) -> Floats:
    numbers: Floats = pc.fill_null(column, np.nan).to_numpy()
    return numbers


def _narrow(values: Array, kind: type[np.float32 | np.int32]) -> Array:
    """The values in half the memory, if that changes none."""
    narrow = values.astype(kind)
    return narrow if np.array_equal(narrow, values) else values


def _days(rows: pa.Table) -> Ints:
    """The day of each row's transaction; if that is not told, the day it was asked about."""
    times = pc.coalesce(rows["event_time"], rows["inference_time"]).cast(pa.int64())
    days: Ints = times.to_numpy() // MICROSECONDS_PER_DAY
    return days
