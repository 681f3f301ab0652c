"""Our training step against a bare `xgboost.train`: same rows, settings and machine, one run.

    python -m benchmarks.training --rows 5e6 --json -

Each in a process of its own; imports are not counted. What the figures include:

    step   ours: the entry point `train` (parameters, one pass that checks every row, the matrix
           from Parquet, all rounds, the model's files); bare: the Parquet files into one array, the
           matrix, `xgboost.train`, the model's file.
    fit    ours: the matrix from Parquet and all rounds; bare: the matrix from the array in memory
           and `xgboost.train`.

JSON: `overhead` is step over step, `overhead_of_fit` fit over fit, `overhead_over_bare_fit` our
whole step over bare's fit alone, which neither reads nor writes a file. The same step with its
matrix in external memory is `external_*`, and at `--times` as many rows `large_*`. Peaks are of
resident memory: `imports_mib` is what a process needs that does nothing, `array_mib` what one array
of all rows would.
"""

import argparse
import io
import json
import os
import resource
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xgboost

from benchmarks.measuring import Measurement, add_json, in_process, show
from pipeline_code.common.schema import UTC_MICROSECONDS
from pipeline_code.features.definitions import FEATURE_NAMES, SCHEMA_VERSION, SCHEMA_VERSION_KEY
from pipeline_code.train.boosted_trees import available_cores, settings_of
from pipeline_code.train.entry import main as train_main
from pipeline_code.train.parameters import Parameters

FILE_ROWS = 500_000
GROUP_ROWS = 1 << 17
START = 1_530_403_200_000_000
# A fraud in 120 transactions, as in the public data.
FRAUD_SHARE = 1 / 120
MIB = 2**20


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=float, default=5e6)
    parser.add_argument("--rounds", type=int, default=Parameters().rounds)
    parser.add_argument("--times", type=int, default=4, help="rows of the large run; 0 for none")
    parser.add_argument("--work", type=Path, help="folder for rows and models; kept if given")
    add_json(parser)
    arguments = parser.parse_args()
    work = arguments.work or Path(tempfile.mkdtemp(prefix="training-"))
    try:
        show(_measure(arguments, work), arguments.json)
    finally:
        if arguments.work is None:
            shutil.rmtree(work)


def _measure(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    rows = int(arguments.rows)
    root = _root(work, rows)
    parameters = Parameters(rounds=arguments.rounds)
    bare = in_process(bare_step, root, parameters)
    ours = in_process(our_step, root, {"rounds": parameters.rounds, "external_memory": "off"})
    on_disk = {"rounds": parameters.rounds, "external_memory": "on"}
    external = in_process(our_step, root, on_disk)
    bare_fit = bare.result["matrix_seconds"] + bare.result["train_seconds"]
    result = {
        "rows": rows,
        "features": len(FEATURE_NAMES),
        "trees": parameters.rounds * parameters.trees_per_round,
        "cores": available_cores(),
        "array_mib": round(rows * len(FEATURE_NAMES) * 4 / MIB),
        "imports_mib": round(in_process(nothing).peak_mib),
        "overhead": round(ours.seconds / bare.seconds, 3),
        "overhead_of_fit": round(ours.result["fit_seconds"] / bare_fit, 3),
        "overhead_over_bare_fit": round(ours.seconds / bare_fit, 3),
        "peak_over_bare": round(ours.peak_mib / bare.peak_mib, 3),
        "external_peak_over_bare": round(external.peak_mib / bare.peak_mib, 3),
        "external_overhead": round(external.seconds / bare.seconds, 3),
        **_told("bare", bare),
        **_told("ours", ours),
        **_told("external", external),
    }
    if not arguments.times:
        return result
    large = in_process(our_step, _root(work, rows * arguments.times), on_disk)
    return result | {
        "large_rows": rows * arguments.times,
        "large_array_mib": result["array_mib"] * arguments.times,
        "large_peak_over_external": round(large.peak_mib / external.peak_mib, 3),
        "large_seconds_over_external": round(large.seconds / external.seconds, 3),
        **_told("large", large),
    }


def _told(name: str, measured: Measurement) -> dict[str, Any]:
    return {
        f"{name}_seconds": round(measured.seconds, 2),
        f"{name}_peak_mib": round(measured.peak_mib),
        **{f"{name}_{key}": round(value, 2) for key, value in measured.result.items()},
    }


def nothing() -> dict[str, float]:
    """Imports what the others do."""
    return {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def bare_step(root: Path, parameters: Parameters) -> dict[str, float]:
    """What one writes without this project."""
    moments = [time.monotonic()]
    table = pq.read_table(_channel(root), columns=[*FEATURE_NAMES, "is_fraud"], partitioning=None)
    rows = np.empty((table.num_rows, len(FEATURE_NAMES)), dtype=np.float32)
    for place, name in enumerate(FEATURE_NAMES):
        rows[:, place] = table[name].to_numpy()
    labels = table["is_fraud"].to_numpy()
    del table
    moments.append(time.monotonic())
    data = xgboost.QuantileDMatrix(
        rows, label=labels, feature_names=list(FEATURE_NAMES), nthread=available_cores()
    )
    moments.append(time.monotonic())
    settings = settings_of(parameters, FEATURE_NAMES)
    booster = xgboost.train(settings, data, num_boost_round=parameters.rounds)
    moments.append(time.monotonic())
    booster.save_model(root / "bare.ubj")
    names = ("read_seconds", "matrix_seconds", "train_seconds")
    return dict(zip(names, np.diff(moments).tolist(), strict=True))


def our_step(root: Path, parameters: dict[str, Any]) -> dict[str, float]:
    """The training job's entry point."""
    config = root / "input" / "config"
    config.mkdir(exist_ok=True)
    (config / "hyperparameters.json").write_text(
        json.dumps({name: str(value) for name, value in parameters.items()}), encoding="utf-8"
    )
    os.environ["SAGEMAKER_BASE_DIR"] = str(root)
    log = io.StringIO()
    with redirect_stdout(log):
        assert train_main([]) == 0
    said = json.loads(log.getvalue().splitlines()[-1])
    return {name: said[name] for name in ("survey_seconds", "fit_seconds")}


def _channel(root: Path) -> Path:
    return root / "input" / "data" / "train"


def _root(work: Path, rows: int) -> Path:
    """A job's root with so many rows, written once."""
    root = work / f"rows-{rows}"
    _channel(root).mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(available_cores()) as pool:
        starts = range(0, rows, FILE_ROWS)
        list(pool.map(partial(_write, _channel(root), rows), starts))
    return root


def _write(folder: Path, rows: int, start: int) -> None:
    """One file of feature rows: amounts, counts, shares, times; frauds follow from some of them."""
    file = folder / f"part-{start // FILE_ROWS:05}.parquet"
    if file.exists():
        return
    count = min(FILE_ROWS, rows - start)
    generator = np.random.default_rng((7, start))
    columns = {name: _values(name, generator, count) for name in FEATURE_NAMES}
    risk, amount = columns[FEATURE_NAMES[13]], columns[FEATURE_NAMES[0]]
    suspicion = amount / amount.std() + 3 * risk / risk.std() + generator.normal(0, 1.5, count)
    fraud = suspicion > np.quantile(suspicion, 1 - FRAUD_SHARE)
    times = START + (start + np.arange(count, dtype=np.int64)) * 1_000_000
    table = pa.table(
        {
            "event_time": pa.array(times).cast(UTC_MICROSECONDS),
            **columns,
            "is_fraud": fraud.astype(np.int8),
        },
        metadata={SCHEMA_VERSION_KEY: SCHEMA_VERSION.encode()},
    )
    unfinished = file.with_suffix(".unfinished")
    pq.write_table(table, unfinished, row_group_size=GROUP_ROWS)
    unfinished.rename(file)


def _values(name: str, generator: np.random.Generator, count: int) -> np.ndarray:
    values: np.ndarray
    if name.startswith("is_"):
        values = generator.integers(0, 2, count)
    elif "count" in name:
        values = generator.poisson(20, count)
    elif "risk" in name:
        values = generator.binomial(20, 0.02, count) / 20
    elif "amount" in name or "max" in name:
        values = np.rint(generator.gamma(2, 3_000, count))
    else:
        values = np.rint(generator.exponential(100_000, count))
    return values.astype(np.float32)


if __name__ == "__main__":
    main()
