"""Generates a lake of any size and computes its features, within this machine's disk and memory.

    python -m benchmarks.features_scale --rows 500e6 --work /data/scale --json -

Killed at any time and started again with the same `--work`, it goes on where it was: days that are
there are not drawn again, and the batch job resumes from its journals. The figures are then those
of what was left to do, and `resumed` says so.

JSON: rows, parts, generate_seconds, features_seconds, rows_per_second (of the features),
minutes_in_all, peak_mib (of the features' process), input_gb, output_gb, resumed.
"""

import argparse
import os
import shutil
import time
from pathlib import Path
from typing import Any

from benchmarks.features import compute
from benchmarks.lake import write_lake
from benchmarks.measuring import add_json, in_process, show

GIGABYTE = 10**9
# More than input, shards on their way and output take together at any one time.
BYTES_PER_ROW = 130


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=float, default=500e6)
    parser.add_argument("--work", type=Path, required=True, help="folder on a disk with room")
    parser.add_argument("--keep", action="store_true", help="keep the lake and the features")
    add_json(parser)
    arguments = parser.parse_args()
    show(_measure(int(arguments.rows), arguments.work), arguments.json)
    if not arguments.keep:
        shutil.rmtree(arguments.work)


def _measure(rows: int, work: Path) -> dict[str, Any]:
    lake, output = work / "lake", work / "features"
    resumed = work.exists()
    work.mkdir(parents=True, exist_ok=True)
    _check_room(rows, work)
    start = time.monotonic()
    write_lake(lake, rows, processes=os.cpu_count() or 1)
    generated = time.monotonic() - start
    ours = in_process(compute, lake, output)
    assert ours.result == rows
    return {
        "rows": rows,
        "parts": len(list(output.glob("*.parquet"))),
        "generate_seconds": round(generated, 1),
        "features_seconds": round(ours.seconds, 1),
        "rows_per_second": round(rows / ours.seconds),
        "minutes_in_all": round((generated + ours.seconds) / 60, 2),
        "peak_mib": round(ours.peak_mib),
        "input_gb": _gigabytes(lake),
        "output_gb": _gigabytes(output),
        "resumed": resumed,
    }


def _check_room(rows: int, work: Path) -> None:
    """Raises SystemExit if the disk would fill up; what is there already was counted before."""
    there = sum(file.stat().st_size for file in work.rglob("*") if file.is_file())
    free, needed = shutil.disk_usage(work).free + there, rows * BYTES_PER_ROW
    if free < needed:
        raise SystemExit(
            f"work must have {needed / GIGABYTE:.0f} GB for {rows} rows, got {free / GIGABYTE:.0f} "
            "GB; free some or use fewer rows"
        )


def _gigabytes(folder: Path) -> float:
    size = sum(file.stat().st_size for file in folder.rglob("*.parquet"))
    return round(size / GIGABYTE, 2)


if __name__ == "__main__":
    main()
