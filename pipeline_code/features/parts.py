"""Writes feature rows, with what is known of their labels, as the parts of Parquet data sets.

Guarantees:
    A part has its final name only when all parts are whole.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_code.common.exits import BadInput
from pipeline_code.features.batch import FEATURE_ROWS, feature_table
from pipeline_code.features.definitions import SCHEMA_VERSION, SCHEMA_VERSION_KEY
from pipeline_code.features.events import Reports, Transactions, epoch_microseconds
from pipeline_code.features.windows import Period

__all__ = ["Output", "OutputCounts", "part_name"]

LABELLED_ROWS = FEATURE_ROWS.append(pa.field("is_fraud", pa.int8())).append(
    pa.field("fraud_scenario", pa.int8())
)
STAGING = "_unfinished"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputCounts:
    """What came of one output: its rows, those of them that were reported as frauds, repetitions.

    `repeated` counts transactions, of any period, that were left out because they came again.
    """

    rows: int = 0
    frauds: int = 0
    repeated: int = 0

    def __add__(self, other: "OutputCounts") -> "OutputCounts":
        return OutputCounts(
            rows=self.rows + other.rows,
            frauds=self.frauds + other.frauds,
            repeated=self.repeated + other.repeated,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One data set of labelled feature rows.

    Attributes:
        folder: Where its parts go.
        period: The event times of its rows; all if omitted.
        metadata: What its files say of themselves besides the schema version.
        must_hold_rows: What the output is called when it is refused for having no row; if omitted,
            it may have none.
    """

    folder: Path
    period: Period | None = None
    metadata: Mapping[bytes, str] = field(default_factory=dict)
    must_hold_rows: str = ""

    def stage(
        self,
        part: int,
        rows: Transactions,
        features: npt.NDArray[np.float32],
        reports: Reports,
    ) -> OutputCounts:
        """Writes the rows of the period as one part, out of sight until `publish`.

        Args:
            part: The part's number; part 0 is written even if it has no rows.
            rows: Transactions.
            features: Their features, a row a feature.
            reports: What is known of them by the as-of moment; of others there may be some.
        """
        if self.period is not None:
            wanted = np.flatnonzero(self._wanted(rows.times))
            rows, features = rows.take(wanted), features[:, wanted]
        scenarios = _scenarios(rows.ids, reports)
        if len(rows) or part == 0:
            table = feature_table(rows, features)
            table = table.append_column("is_fraud", pa.array((scenarios >= 0).astype(np.int8)))
            known = pa.array(np.maximum(scenarios, 0).astype(np.int8))
            self._write(table.append_column("fraud_scenario", known).cast(LABELLED_ROWS), part)
        return OutputCounts(rows=len(rows), frauds=int((scenarios >= 0).sum()))

    def check(self, written: OutputCounts) -> None:
        """Raises BadInput if there has to be a row and there is none."""
        if written.rows == 0 and self.must_hold_rows and self.period is not None:
            start, end = self.period.start.isoformat(), self.period.end.isoformat()
            raise BadInput(
                f"{self.must_hold_rows} period must hold transactions, got none from {start} to "
                f"{end}; ingest that time or choose another as-of"
            )

    def clear(self) -> None:
        """Forgets what was staged and not published."""
        shutil.rmtree(self.folder / STAGING, ignore_errors=True)

    def publish(self) -> None:
        """Gives all staged parts their final names."""
        for name in self.staged():
            (self.folder / STAGING / name).replace(self.folder / name)
        self.clear()

    def staged(self) -> list[str]:
        """The names of the parts that are whole and not published yet."""
        return sorted(file.name for file in (self.folder / STAGING).glob("*.parquet"))

    def _wanted(self, times: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        assert self.period is not None  # noqa: S101 - only asked then
        wanted: npt.NDArray[np.bool_] = (times >= epoch_microseconds(self.period.start)) & (
            times < epoch_microseconds(self.period.end)
        )
        return wanted

    def _write(self, table: pa.Table, part: int) -> None:
        staging = self.folder / STAGING
        staging.mkdir(parents=True, exist_ok=True)
        file = staging / part_name(part)
        partial = file.with_suffix(".partial")
        metadata = {SCHEMA_VERSION_KEY: SCHEMA_VERSION, **self.metadata}
        pq.write_table(
            table.replace_schema_metadata(metadata),
            partial,
            # What every reader reads; dictionaries would be a seventh smaller, a fifth slower.
            compression="snappy",
            use_dictionary=False,
            write_statistics=["event_time"],
            row_group_size=max(table.num_rows, 1),
        )
        partial.replace(file)


def part_name(part: int) -> str:
    """The file name of a part."""
    return f"part-{part:05d}.parquet"


def _scenarios(ids: npt.NDArray[np.int64], reports: Reports) -> npt.NDArray[np.int64]:
    """The scenario of each reported transaction, 0 if that is not known; -1 if not reported."""
    scenarios = np.full(len(ids), -1, np.int64)
    if len(reports) == 0:
        return scenarios
    by_id = np.lexsort((reports.times, reports.ids))
    indices = np.searchsorted(reports.ids[by_id], ids)
    indices[indices == len(reports)] = 0
    found = reports.ids[by_id][indices] == ids
    scenarios[found] = reports.scenarios[by_id][indices[found]]
    return scenarios
