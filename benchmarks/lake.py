"""A lake of any size to measure with: as dense as the public data, without its behaviour.

The public data have 350 transactions a customer and 175 a terminal in 183 days, and a fraud in 120
transactions; so has this. It is for speed alone: `pipeline_code.simulate` draws one to learn from.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_code.common.schema import FRAUD_REPORTS, TRANSACTIONS, UTC_MICROSECONDS

__all__ = ["write_lake"]

DAYS = 183
FIRST_DAY = np.datetime64("2018-04-01")
DAY = 86_400_000_000
ROWS_PER_CUSTOMER, ROWS_PER_TERMINAL = 350, 175
FRAUD_SHARE = 1 / 120
REPORT_DELAY = 7 * DAY


def write_lake(folder: Path, rows: int, seed: int = 7, processes: int = 2) -> None:
    """Writes the transactions and fraud reports that are not there yet, a file a day each."""
    with ProcessPoolExecutor(processes) as pool:
        list(pool.map(partial(_write_day, folder, rows, seed), range(DAYS)))


def _write_day(folder: Path, rows: int, seed: int, day: int) -> None:
    date = FIRST_DAY + day
    file = folder / "transactions" / f"event_date={date}" / "part-0.parquet"
    if file.exists():
        return
    random = np.random.default_rng((seed, day))
    first, end = (rows * edge // DAYS for edge in (day, day + 1))
    count = end - first
    times = (
        date.astype("datetime64[us]").astype(np.int64)
        + np.sort(random.integers(0, DAY // 1_000_000, count)) * 1_000_000
    )
    columns = {
        "transaction_id": np.arange(first, end),
        "event_time": pa.array(times).cast(UTC_MICROSECONDS),
        "customer_id": random.integers(0, max(rows // ROWS_PER_CUSTOMER, 1), count),
        "terminal_id": random.integers(0, max(rows // ROWS_PER_TERMINAL, 1), count),
        "amount_minor": 1 + (random.standard_gamma(2, count, np.float32) * 2_700).astype(np.int64),
    }
    transactions = pa.table(columns, schema=TRANSACTIONS)
    is_fraud = random.random(count, np.float32) < FRAUD_SHARE
    frauds = transactions.filter(pa.array(is_fraud))
    reports = pa.table(
        {
            **{name: frauds[name] for name in FRAUD_REPORTS.names[:3]},
            "event_time": frauds["event_time"],
            "report_time": pa.array(times[is_fraud] + REPORT_DELAY).cast(UTC_MICROSECONDS),
            "fraud_scenario": np.ones(len(frauds), np.int8),
        },
        schema=FRAUD_REPORTS,
    )
    reported = folder / "fraud_reports" / f"report_date={date + 7}" / "part-0.parquet"
    _write(reports, reported)
    # Last: a day whose transactions are there is whole.
    _write(transactions, file)


def _write(table: pa.Table, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial_file = file.with_suffix(".partial")
    pq.write_table(table, partial_file, compression="snappy", use_dictionary=False)
    partial_file.replace(file)
