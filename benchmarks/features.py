"""Our batch job against DuckDB's and pandas' windows: same lake, same machine, one run.

    python -m benchmarks.features --rows 20e6 --json -

Reading and writing Parquet included; each in a process of its own, two threads each where it can
use them. pandas takes hours for what the others do in seconds, so it gets a lake of its own of
`--pandas-rows`, as dense, and its rows a second are compared.

JSON: rows, rows_per_second, peak_mib; the same for duckdb and pandas; times_duckdb, times_pandas
(our rows a second over theirs), and how many of a sample of our values are exactly DuckDB's, which
they are where no window's tail lies between two hops.
"""

import argparse
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.lake import write_lake
from benchmarks.measuring import add_json, in_process, show
from benchmarks.peers import features_duckdb, features_pandas
from pipeline_code.common.schema import FRAUD_REPORTS, TRANSACTIONS
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.features.files.sources import ParquetSource
from pipeline_code.features.parts import Output
from pipeline_code.features.sharded import ShardedFeatures

THREADS = os.cpu_count() or 1


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=float, default=20e6)
    parser.add_argument("--pandas-rows", type=float, default=200_000)
    parser.add_argument("--no-peers", action="store_true", help="ours alone, for the largest lakes")
    parser.add_argument("--work", type=Path, help="folder for lakes and results; kept if given")
    add_json(parser)
    arguments = parser.parse_args()
    work = arguments.work or Path(tempfile.mkdtemp(prefix="features-"))
    try:
        show(_measure(arguments, work), arguments.json)
    finally:
        if arguments.work is None:
            shutil.rmtree(work)


def _measure(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    rows = int(arguments.rows)
    lake = work / f"lake-{rows}"
    write_lake(lake, rows, processes=THREADS)
    ours = in_process(compute, lake, work / "ours")
    result: dict[str, Any] = {
        "rows": rows,
        "features": len(FEATURE_NAMES),
        "seconds": round(ours.seconds, 1),
        "rows_per_second": round(rows / ours.seconds),
        "microseconds_per_row": round(ours.seconds / rows * 1e6, 3),
        "peak_mib": round(ours.peak_mib),
    }
    return result if arguments.no_peers else result | _peers(arguments, work, lake, result)


def _peers(
    arguments: argparse.Namespace, work: Path, lake: Path, ours: dict[str, Any]
) -> dict[str, Any]:
    rows, speed = ours["rows"], ours["rows_per_second"]
    duckdb = in_process(features_duckdb.run, lake, work / "duckdb.parquet", THREADS)
    assert duckdb.result == rows
    small = int(arguments.pandas_rows)
    write_lake(work / f"lake-{small}", small, processes=THREADS)
    pandas = in_process(features_pandas.run, work / f"lake-{small}", work / "pandas.parquet")
    assert pandas.result == small
    return {
        "duckdb_rows_per_second": round(rows / duckdb.seconds),
        "duckdb_peak_mib": round(duckdb.peak_mib),
        "pandas_rows": small,
        "pandas_rows_per_second": round(small / pandas.seconds),
        "pandas_peak_mib": round(pandas.peak_mib),
        "times_duckdb": round(speed / (rows / duckdb.seconds), 2),
        "times_pandas": round(speed / (small / pandas.seconds), 1),
        "equal_to_duckdb": _agreement(work),
    }


def compute(lake: Path, output: Path) -> int:
    """Our batch job on a lake."""
    shutil.rmtree(output, ignore_errors=True)
    job = ShardedFeatures(
        transactions=ParquetSource.of(lake / "transactions", TRANSACTIONS),
        reports=ParquetSource.of(lake / "fraud_reports", FRAUD_REPORTS),
        outputs=[Output(folder=output)],
        work=output.with_suffix(".work"),
    )
    return job.run()[0].rows


def _agreement(work: Path) -> dict[str, float]:
    """The share of values that equal DuckDB's, by feature, in our first part."""
    ours = pq.read_table(work / "ours" / "part-00000.parquet").slice(0, 100_000)
    wanted = ("transaction_id", "in", set(ours["transaction_id"].to_pylist()))
    theirs = pq.read_table(work / "duckdb.parquet", filters=[wanted])
    order = [("transaction_id", "ascending")]
    ours, theirs = ours.sort_by(order), theirs.sort_by(order)
    return {
        name: round(float((ours[name].to_numpy() == theirs[name].to_numpy()).mean()), 4)
        for name in FEATURE_NAMES
    }


if __name__ == "__main__":
    main()
