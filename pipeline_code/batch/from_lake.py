"""A batch's features from the lake: each as of its own event time, as training computes them.

Guarantees:
    Only the days that windows reach back to are read, and only they are copied.
    A transaction that the lake holds already counts once.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_code.batch.batch_input import BatchInput
from pipeline_code.batch.computed import BatchFeatures
from pipeline_code.common.schema import DATASETS, FRAUD_REPORTS, TRANSACTIONS, Dataset
from pipeline_code.contracts.pipelines import FeatureSource
from pipeline_code.features.definitions import ENTITIES, FEATURE_NAMES, Entity
from pipeline_code.features.events import EPOCH, Transactions
from pipeline_code.features.files.sources import ParquetSource
from pipeline_code.features.parts import Output
from pipeline_code.features.plan import plan_of
from pipeline_code.features.sharded import ShardedFeatures
from pipeline_code.features.windows import Period
from pipeline_code.parity.objects import Folder

__all__ = ["features_from_lake"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

_TRANSACTIONS, _REPORTS, _ = DATASETS
_DOWNLOADS_AT_ONCE = 8
_ROWS_AT_ONCE = 1 << 17
_CONFLICT = (
    "transaction_id must name one transaction, got one that the lake holds with another time, "
    "customer, terminal or amount"
)


def features_from_lake(asked: BatchInput, lake: Folder, work: Path) -> BatchFeatures:
    """Computes the features.

    Args:
        asked: The transactions; one that the lake holds otherwise is refused.
        lake: The raw lake.
        work: Folder for what is on its way.

    Raises:
        BadInput: A file of the lake breaks a rule.
    """
    files = 0
    for dataset, reports in ((_TRANSACTIONS, False), (_REPORTS, True)):
        reach = max(int(plan_of().schedule(entity, reports=reports)[-1]) for entity in ENTITIES)
        days = _day(int(asked.rows.times.min()) - reach), _day(int(asked.rows.times.max()))
        files += _download(lake / dataset.name, dataset, days, work / dataset.name)
    history = ParquetSource.of(work / _TRANSACTIONS.name, TRANSACTIONS)
    held = _LakeHistory(asked.rows)
    for piece in history.pieces:
        for columns in history.read(piece):
            held.take(Transactions.from_columns(columns))
    conflicts = np.flatnonzero(held.conflicting)
    kept = asked.without(conflicts, _CONFLICT) if len(conflicts) else asked
    unknown = {entity: np.delete(held.unknown(entity, conflicts), conflicts) for entity in ENTITIES}
    return BatchFeatures(
        asked=kept,
        source=FeatureSource.LAKE,
        parts=_computed(kept.rows, work),
        unknown=unknown,
        facts={
            "already_in_lake": int(held.found.sum()) - len(conflicts),
            "lake_files": files,
            "lake_transactions": history.rows,
        },
    )


class _LakeHistory:
    """What the lake holds of the transactions asked about, and of their owners before."""

    def __init__(self, rows: Transactions) -> None:
        self._rows = rows
        self.found = np.zeros(len(rows), np.bool_)
        self.conflicting = np.zeros(len(rows), np.bool_)
        self._owners = {entity: np.unique(rows.owners(entity)) for entity in ENTITIES}
        latest = np.iinfo(np.int64).max
        self._first = {
            entity: np.full(len(owners), latest) for entity, owners in self._owners.items()
        }

    def take(self, events: Transactions) -> None:
        """Takes some of the lake's transactions."""
        indices, known = _places(self._rows.ids, events.ids)
        mine, theirs = self._rows.take(indices[known]), events.take(np.flatnonzero(known))
        names = ("times", "customers", "terminals", "amounts")
        same = np.logical_and.reduce([getattr(mine, n) == getattr(theirs, n) for n in names])
        self.found[indices[known]] = True
        self.conflicting[indices[known][~same]] = True
        for entity in ENTITIES:
            self._note_first(entity, events)

    def unknown(self, entity: Entity, left_out: Ints) -> npt.NDArray[np.bool_]:
        """Which rows are their owner's first event of all, without those left out."""
        rows = self._rows.take(np.setdiff1d(np.arange(len(self._rows)), left_out))
        self._note_first(entity, rows)
        first = self._first[entity][
            np.searchsorted(self._owners[entity], self._rows.owners(entity))
        ]
        mask: npt.NDArray[np.bool_] = self._rows.times <= first
        return mask

    def _note_first(self, entity: Entity, events: Transactions) -> None:
        indices, known = _places(self._owners[entity], events.owners(entity))
        np.minimum.at(self._first[entity], indices[known], events.times[known])


def _places(among: Ints, values: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Where each value is among rising ones, and which are there at all."""
    if not len(among):
        return np.zeros(len(values), np.int64), np.zeros(len(values), np.bool_)
    indices = np.minimum(np.searchsorted(among, values), len(among) - 1)
    return indices, among[indices] == values


def _computed(rows: Transactions, work: Path) -> Iterator[tuple[Ints, Floats]]:
    """The features by the batch driver, over the lake's events and these."""
    if not len(rows):
        return
    columns = [rows.ids, rows.times, rows.customers, rows.terminals, rows.amounts]
    table = pa.table([pa.array(column) for column in columns], TRANSACTIONS.names)
    # Its name is no partition's: it lies beside the lake's days.
    asked = work / _TRANSACTIONS.name / "asked" / "part.parquet"
    asked.parent.mkdir(parents=True)
    pq.write_table(table.cast(TRANSACTIONS), asked)
    times = rows.times
    folder = work / "features"
    ShardedFeatures(
        transactions=ParquetSource.of(work / _TRANSACTIONS.name, TRANSACTIONS),
        reports=ParquetSource.of(work / _REPORTS.name, FRAUD_REPORTS),
        outputs=[
            Output(
                folder=folder,
                period=Period(_moment(int(times.min())), _moment(int(times.max()) + 1)),
            )
        ],
        work=work / "spill",
    ).run()
    for file in sorted(folder.glob("*.parquet")):
        with pq.ParquetFile(file) as part:
            for batch in part.iter_batches(
                _ROWS_AT_ONCE, columns=["transaction_id", *FEATURE_NAMES]
            ):
                indices, wanted = _places(rows.ids, batch.column("transaction_id").to_numpy())
                features = np.array([batch.column(name).to_numpy() for name in FEATURE_NAMES])
                yield indices[wanted], features[:, wanted]


def _download(source: Folder, dataset: Dataset, days: tuple[date, date], target: Path) -> int:
    """Copies the files of the days from the first to the last; returns how many."""
    first, last = (f"{dataset.partition}={day.isoformat()}" for day in days)
    folders = [source / name for name in source.folders() if first <= name <= last]
    keys = [
        key
        for folder in folders
        for key in folder.objects()
        if key.endswith(".parquet") and key.rpartition("/")[2][0] not in "_."
    ]
    target.mkdir(parents=True, exist_ok=True)

    def copy(key: str) -> None:
        file = target / key.removeprefix(source.prefix)
        file.parent.mkdir(parents=True, exist_ok=True)
        source.client.download_file(source.bucket, key, str(file))

    with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
        list(pool.map(copy, keys))
    return len(keys)


def _moment(time: int) -> datetime:
    return EPOCH + timedelta(microseconds=time)


def _day(time: int) -> date:
    return _moment(time).date()
