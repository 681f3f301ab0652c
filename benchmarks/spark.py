"""The Spark driver in local mode beside the batch driver: same lake, same machine, one run.

    python -m benchmarks.spark --rows 20e6 --json -

Reading and writing Parquet included; Spark's start is told apart, as `seconds_spark_start`. Both
must write the same files, byte for byte, or there is no result.

JSON: rows, rows_per_second_spark, rows_per_second_batch, times_spark (batch's rows a second over
Spark's).
"""

import argparse
import hashlib
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.features import THREADS, compute
from benchmarks.lake import write_lake
from benchmarks.measuring import add_json, in_process, show
from pipeline_code.common.schema import FRAUD_REPORTS, TRANSACTIONS
from pipeline_code.features.files.sources import ParquetSource
from pipeline_code.features.parts import Output
from pipeline_code.features.spark.session import ALL_CORES, missing, open_session, prepare


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=float, default=20e6)
    parser.add_argument("--work", type=Path, help="folder for lakes and results; kept if given")
    add_json(parser)
    arguments = parser.parse_args()
    lacking = missing()
    if lacking is not None:
        raise SystemExit(lacking)
    work = arguments.work or Path(tempfile.mkdtemp(prefix="spark-"))
    try:
        show(_measure(int(arguments.rows), work), arguments.json)
    finally:
        if arguments.work is None:
            shutil.rmtree(work)


def _measure(rows: int, work: Path) -> dict[str, Any]:
    lake = work / f"lake-{rows}"
    write_lake(lake, rows, processes=THREADS)
    batch = in_process(compute, lake, work / "batch")
    spark = in_process(compute_on_spark, lake, work / "spark")
    start, seconds = spark.result
    assert _files(work / "batch") == _files(work / "spark")
    return {
        "rows": rows,
        "seconds_batch": round(batch.seconds, 1),
        "seconds_spark": round(seconds, 1),
        "seconds_spark_start": round(start, 1),
        "rows_per_second_batch": round(rows / batch.seconds),
        "rows_per_second_spark": round(rows / seconds),
        "times_spark": round(seconds / batch.seconds, 2),
    }


def compute_on_spark(lake: Path, output: Path) -> tuple[float, float]:
    """Our Spark driver on a lake; how long Spark took to start, and the job to run."""
    from pipeline_code.features.spark.driver import SparkFeatures  # noqa: PLC0415 - PySpark is a peer

    shutil.rmtree(output, ignore_errors=True)
    start = time.monotonic()
    prepare(output.with_suffix(".work"), "127.0.0.1")
    session = open_session(ALL_CORES, "127.0.0.1")
    started = time.monotonic()
    try:
        SparkFeatures(
            session=session,
            transactions=ParquetSource.of(lake / "transactions", TRANSACTIONS),
            reports=ParquetSource.of(lake / "fraud_reports", FRAUD_REPORTS),
            outputs=[Output(folder=output)],
        ).run()
        return started - start, time.monotonic() - started
    finally:
        session.stop()


def _files(folder: Path) -> dict[str, bytes]:
    return {file.name: _digest(file) for file in folder.glob("*.parquet")}


def _digest(file: Path) -> bytes:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()


if __name__ == "__main__":
    main()
