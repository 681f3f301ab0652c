"""A bank's CSV file mapped onto the lake's columns, beside Arrow reading the same file, unmapped.

    python -m benchmarks.own_data --rows 1e6

The file has 23 columns, text for ids and a local clock. Both are measured in processes of their
own: seconds of a core, and the peak of memory.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from benchmarks.measuring import add_json, in_process, show
from operations.data.own.conversion import read_own
from operations.data.own.identifiers import DICTIONARY, KEY_BYTES, Identifiers, Kind
from operations.data.own.settings import read_mapping

MAPPING = {
    "columns": ["number=transaction_id", "at=event_time", "card=customer_id", "shop=terminal_id"],
    "settings": ["amount.currency=USD"],
    "time_zone": "America/New_York",
}
OTHERS = 17


class _Store:
    """A key, and a dictionary of nothing."""

    def key(self) -> bytes:
        return bytes(KEY_BYTES)

    def dictionary(self, _kind: Kind) -> pa.Table:
        return DICTIONARY.empty_table()


def main() -> None:
    """Makes a file, and reads it twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, default=1e6)
    add_json(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fraudloop-") as temporary:
        file = Path(temporary) / "bank.csv"
        write_file(file, int(arguments.rows))
        mib = file.stat().st_size / 2**20
        bare, mapped = (in_process(work, file) for work in (read, read_mapped))
    result = {
        "rows": int(arguments.rows),
        "file_mib": mib,
        "arrow_cpu_seconds": bare.result,
        "mapped_cpu_seconds": mapped.result,
        "mapped_over_arrow": mapped.result / bare.result,
        "mapped_peak_mib": mapped.peak_mib,
        "mapped_peak_over_file": mapped.peak_mib / mib,
    }
    show(result, arguments.json)


def write_file(file: Path, rows: int, seed: int = 7) -> None:
    """A year of a bank's transactions."""
    random = np.random.default_rng(seed)
    seconds = np.sort(random.integers(0, 365 * 86_400, rows))
    times = np.datetime64("2024-01-01") + seconds.astype("timedelta64[s]")
    texts = pa.array([f"Some text of {number}" for number in range(1000)])
    columns = {
        "number": pa.array([f"{number:032x}" for number in range(rows)]),
        "at": pa.array(times).cast(pa.string()),
        "card": pa.array([f"C-{number:06}" for number in range(1000)]).take(_some(random, rows)),
        "shop": pa.array([f"Shop {number}" for number in range(1000)]).take(_some(random, rows)),
        "amount": random.integers(100, 100_000, rows) / 100,
        "is_fraud": (random.random(rows) < 0.01).astype(np.int8),
    }
    others = {f"other_{place}": texts.take(_some(random, rows)) for place in range(OTHERS)}
    pa_csv.write_csv(pa.table({**columns, **others}), file)


def _some(random: np.random.Generator, rows: int) -> pa.Array:
    return pa.array(random.integers(0, 1000, rows))


def read(file: Path) -> float:
    """Arrow alone, by one thread; CPU seconds."""
    start = time.process_time()
    pa_csv.read_csv(file, read_options=pa_csv.ReadOptions(use_threads=False))
    return time.process_time() - start


def read_mapped(file: Path) -> float:
    """All of it in the lake's terms; CPU seconds."""
    start = time.process_time()
    own = read_own(file, read_mapping(**MAPPING), Identifiers(_Store()))  # type: ignore[arg-type]
    assert own.examination.findings.counts == {}
    return time.process_time() - start


if __name__ == "__main__":
    main()
