"""Labelled feature rows as `features` writes them, checked before anything learns from them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline_code.common.exits import BadInput
from pipeline_code.common.schema import data_files
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.train.batches import LABEL, check_schema, converted
from pipeline_code.train.survey import Survey, check_classes

SCENARIO = "fraud_scenario"

# Whose doings a row's features tell of; rows of one owner are alike.
OWNERS = ("customer_id", "terminal_id")
REQUIRED_COLUMNS = ("event_time", *OWNERS, *FEATURE_NAMES, LABEL)
MICROSECONDS_PER_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """Feature vectors with their labels, event times and customers.

    FeatureRows.read(folder, "train").matrix()
    """

    table: pa.Table

    @classmethod
    def read(cls, folder: Path, name: str) -> "FeatureRows":
        """Reads and checks all Parquet files below a folder.

        Raises:
            BadInput: No rows; a column is missing; another feature schema version; a label outside
                {0, 1}; a value that is no finite number; no fraud, or nothing but fraud. `name` is
                what the message calls the rows.
        """
        files = data_files(folder)
        if not files:
            raise BadInput(f"{name} must hold at least one Parquet file, got none; run `features`")
        for file in files:
            check_schema(
                pq.read_schema(file), f"{name}/{file.relative_to(folder)}", REQUIRED_COLUMNS
            )
        tables = [_read(file) for file in files]
        rows = cls(pa.concat_tables(tables, promote_options="permissive"))
        rows.check(name)
        return rows

    def check(self, name: str) -> None:
        """Raises BadInput if these rows could only make a silently bad model."""
        for owner in OWNERS:
            if self.table[owner].null_count:
                raise BadInput(
                    f"{name} column {owner} must have a value in every row, "
                    f"got {self.table[owner].null_count} nulls"
                )
        batches = list(converted(self.table.combine_chunks().to_batches(), name))
        survey = Survey.of(batches, name, FEATURE_NAMES)
        check_classes(survey.rows, survey.frauds, name)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def filter(self, mask: npt.NDArray[np.bool_]) -> "FeatureRows":
        """The rows where the mask is true."""
        return FeatureRows(self.table.filter(pa.array(mask)))

    def matrix(self) -> npt.NDArray[np.float32]:
        """One row per transaction, columns in the order of FEATURE_NAMES."""
        matrix = np.empty((len(self), len(FEATURE_NAMES)), dtype=np.float32)
        for index, name in enumerate(FEATURE_NAMES):
            matrix[:, index] = self.table[name].to_numpy()
        return matrix

    def labels(self) -> npt.NDArray[np.int8]:
        """1 for a fraud, 0 for none."""
        return np.asarray(self.table[LABEL].to_numpy(), dtype=np.int8)

    def scenarios(self) -> npt.NDArray[np.int8]:
        """Which simulated fraud each row is, 0 where it is none or nobody knows."""
        if SCENARIO not in self.table.column_names:
            return np.zeros(len(self), dtype=np.int8)
        known = pc.fill_null(self.table[SCENARIO], 0)
        return np.asarray(known.to_numpy(), dtype=np.int8)

    def customers(self) -> npt.NDArray[np.int64]:
        """The customer of each row."""
        return np.asarray(self.table["customer_id"].to_numpy(), dtype=np.int64)

    def terminals(self) -> npt.NDArray[np.int64]:
        """The terminal of each row."""
        return np.asarray(self.table["terminal_id"].to_numpy(), dtype=np.int64)

    def days(self) -> npt.NDArray[np.int64]:
        """The event day of each row, counted from 1970-01-01 (UTC)."""
        return self.times() // MICROSECONDS_PER_DAY

    def period(self) -> tuple[str, str]:
        """ISO-8601 times of the oldest and the newest row."""
        times = self.times()
        oldest, newest = (np.datetime64(int(time), "us") for time in (times.min(), times.max()))
        return f"{oldest}Z", f"{newest}Z"

    def times(self) -> npt.NDArray[np.int64]:
        """The event time of each row, in microseconds since 1970-01-01 (UTC)."""
        times = self.table["event_time"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
        return np.asarray(times.to_numpy(), dtype=np.int64)


def _read(file: Path) -> pa.Table:
    # Scenarios are for reporting: there are none where fraud is not simulated.
    known = [name for name in (SCENARIO,) if name in pq.read_schema(file).names]
    return pq.read_table(file, columns=[*REQUIRED_COLUMNS, *known], partitioning=None)
