"""The raw lake's data sets: their columns, how they are partitioned, how to read them.

    transactions/event_date=2018-04-01/<name>.parquet
    fraud_reports/report_date=2018-04-08/<name>.parquet
    customers/<name>.parquet

Amounts are integers in minor units (cents): their sums do not depend on the order. All times are
UTC. `fraud_scenario` says which simulated fraud it was: it is for reporting, never a feature.
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
    "read",
]

UTC_MICROSECONDS = pa.timestamp("us", tz="UTC")

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
    tables = (pq.read_table(file, columns=schema.names, partitioning=None) for file in files)
    return pa.concat_tables(table.cast(schema) for table in tables)
