"""The labels of an hour's predictions, as far as they are known by now.

A prediction is judged once its transaction is old enough, whatever was reported before: frauds that
are known early would otherwise be most of what is known, and every figure about it too good or too
bad.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_code.captures.ground_truth import FRAUD, GENUINE, UNKNOWN

__all__ = ["Counts", "judge"]

Ints = npt.NDArray[np.int64]
Reported = Callable[[Ints, int], npt.NDArray[np.bool_]]


@dataclass(slots=True, kw_only=True)
class Counts:
    """Predictions, by what became of them; each is counted once.

    Attributes:
        genuine: Old enough, and nobody reported a fraud.
        frauds: Old enough, and reported.
        waiting: Not old enough yet.
        unidentified: Without an inference id or a transaction id, so that nothing joins them.
        ambiguous: With an inference id that other predictions have too, about which other things
            are known.
    """

    genuine: int = 0
    frauds: int = 0
    waiting: int = 0
    unidentified: int = 0
    ambiguous: int = 0

    @property
    def predictions(self) -> int:
        """All of them."""
        return self.judged + self.waiting + self.unidentified + self.ambiguous

    @property
    def judged(self) -> int:
        """Those with a label."""
        return self.genuine + self.frauds

    @property
    def maturity(self) -> float | None:
        """The part that is judged; None of none."""
        return self.judged / self.predictions if self.predictions else None


def judge(
    predictions: pa.Table, reported: Reported, *, as_of: int, delay: int, counts: Counts
) -> Mapping[str, int]:
    """The labels of an hour's predictions, by label id.

    Args:
        predictions: In the schema `PREDICTIONS`.
        reported: Tells which transactions, none of them before a time, were reported.
        as_of: Until when the lake is whole, in microseconds.
        delay: How long after its transaction no report is taken for none, in microseconds.
        counts: What to count in.
    """
    known = pc.and_(
        pc.is_valid(predictions["label_id"]), pc.is_valid(predictions["transaction_id"])
    )
    identified = predictions.filter(known)
    counts.unidentified += predictions.num_rows - identified.num_rows
    if identified.num_rows == 0:
        return {}
    times = event_times(identified)
    frauds = reported(identified["transaction_id"].to_numpy(), int(times.min()))
    labels = np.where(times + delay > as_of, UNKNOWN, np.where(frauds, FRAUD, GENUINE))
    by_id = (
        pa.table({"id": identified["label_id"], "label": pa.array(labels, pa.int8())})
        .group_by("id")
        .aggregate([("label", "min"), ("label", "max"), ("label", "count")])
    )
    lowest, highest = (by_id[name].to_numpy() for name in ("label_min", "label_max"))
    rows = by_id["label_count"].to_numpy()
    one = lowest == highest
    counts.ambiguous += int(rows[~one].sum())
    counts.waiting += int(rows[one & (lowest == UNKNOWN)].sum())
    counts.genuine += int(rows[one & (lowest == GENUINE)].sum())
    counts.frauds += int(rows[one & (lowest == FRAUD)].sum())
    told = pa.array(one & (lowest != UNKNOWN))
    judged = by_id.filter(told)
    return dict(zip(judged["id"].to_pylist(), judged["label_min"].to_pylist(), strict=True))


def event_times(predictions: pa.Table) -> Ints:
    """When each transaction was; if that is not told, when it was asked about."""
    times = pc.coalesce(predictions["event_time"], predictions["inference_time"])
    microseconds: Ints = times.cast(pa.int64()).to_numpy()
    return microseconds
