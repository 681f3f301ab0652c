"""The raw lake's data sets: their columns, how they are partitioned, how to read them.

    transactions/event_date=2018-04-01/<name>.parquet
    fraud_reports/report_date=2018-04-08/<name>.parquet
    customers/<name>.parquet

Amounts are integers in minor units (cents): their sums do not depend on the order. All times are
UTC. `fraud_scenario` says which simulated fraud it was: it is for reporting, never a feature.

Files come from `pipeline_code.common.lake` and from Firehose, which writes Hive's older form of a
time (INT96, without a zone, in UTC); a reader takes both.
"""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = [
    "CUSTOMERS",
    "DATASETS",
    "FRAUD_REPORTS",
    "TRANSACTIONS",
    "Dataset",
    "data_files",
    "open_file",
    "read",
    "types_of",
]

UTC_MICROSECONDS = pa.timestamp("us", tz="UTC")
# Arrow's own choice, nanoseconds, ends in 2262 and would have to be cast.
INT96_UNIT = "us"

TRANSACTIONS = pa.schema(
    [
        ("transaction_id", pa.int64()),
        ("event_time", UTC_MICROSECONDS),
        ("customer_id", pa.int64()),
        ("terminal_id", pa.int64()),
        ("amount_minor", pa.int64()),
    ]
)
FRAUD_REPORTS = pa.schema(
    [
        ("transaction_id", pa.int64()),
        ("customer_id", pa.int64()),
        ("terminal_id", pa.int64()),
        ("event_time", UTC_MICROSECONDS),
        ("report_time", UTC_MICROSECONDS),
        ("fraud_scenario", pa.int8()),
    ]
)
CUSTOMERS = pa.schema([("customer_id", pa.int64())])


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One data set of the lake.

    `partition` names the folder level `<partition>=YYYY-MM-DD`; `time` is the column whose day that
    is. Both are None for a data set without partitions.
    """

    name: str
    schema: pa.Schema
    partition: str | None = None
    time: str | None = None


DATASETS = (
    Dataset(name="transactions", schema=TRANSACTIONS, partition="event_date", time="event_time"),
    Dataset(
        name="fraud_reports", schema=FRAUD_REPORTS, partition="report_date", time="report_time"
    ),
    Dataset(name="customers", schema=CUSTOMERS),
)


def data_files(folder: Path) -> list[Path]:
    """The Parquet files below a data set's folder, in name order; none if it does not exist.

    Names that start with `_` or `.` are other programs' marks, not data.
    """
    return sorted(
        file for file in folder.rglob("*.parquet") if file.is_file() and file.name[0] not in "_."
    )


def read(folder: Path, schema: pa.Schema) -> pa.Table:
    """All rows below a data set's folder, in the order of file names; an empty table if none.

    The partition's day is not read back as a column: the times of the rows say it.
    """
    files = data_files(folder)
    if not files:
        return schema.empty_table()
    tables = (
        pq.read_table(
            file,
            columns=schema.names,
            partitioning=None,
            coerce_int96_timestamp_unit=INT96_UNIT,
        )
        for file in files
    )
    return pa.concat_tables(table.cast(schema) for table in tables)


def open_file(file: Path | pa.NativeFile) -> pq.ParquetFile:
    """A file of the lake, to be read in pieces, which `types_of` says how to cast."""
    return pq.ParquetFile(file, coerce_int96_timestamp_unit=INT96_UNIT)


def types_of(file: pq.ParquetFile) -> pa.Schema:
    """The columns of a file that `open_file` opened, as the lake means them."""
    physical = [file.schema.column(index).physical_type for index in range(len(file.schema.names))]
    old_times = {
        name for name, kind in zip(file.schema.names, physical, strict=True) if kind == "INT96"
    }
    return pa.schema(
        [
            field.with_type(UTC_MICROSECONDS) if field.name in old_times else field
            for field in file.schema_arrow
        ]
    )
