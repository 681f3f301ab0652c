"""Our hourly data-quality run against Evidently's data-drift preset: same capture, same baseline.

    python -m benchmarks.monitoring --json -
    python -m benchmarks.monitoring --scale-rows 50e6 --json -    # and ours alone on so many

Each side is a process of its own. Ours reads the capture and judges it. Evidently, in a virtual
environment of its own below `--work`, has its rows read by orjson and pandas, and then judges: the
two are timed apart. Imports are counted for neither. The capture holds an exchange a row, about one
transaction; the rows are of the project's simulator, three weeks to learn from and the next three.

JSON: `times_evidently` is Evidently's seconds, reading included, over ours, and
`times_evidently_analysis_only` its analysis alone over all of ours; `memory_over_evidently` is our
peak memory over that of its analysis, which begins with the rows in memory. `verdicts` are what
each calls drifted of a sample without drift and of three with one injected. Of a large sample
Evidently measures a distance against a fixed limit, and leaves out what is missing: a feature that
turns null in three of ten records it does not see, while ours counts it against completeness. Ours
holds each feature against what its own baseline differs by from week to week. Labels that shift
while the inputs stay are seen by neither: that is model quality's.
"""

import argparse
import json
import os
import shutil
import subprocess
import venv
from pathlib import Path
from typing import Any

from benchmarks.measuring import Measurement, add_json, in_process, show
from benchmarks.worlds.monitoring_world import (
    DRIFTS,
    build,
    columns_of,
    write_arrays,
    write_capture,
)
from pipeline_code.captures.chunks import Tally
from pipeline_code.captures.datasets import DatasetFormat
from pipeline_code.captures.interval import Interval
from pipeline_code.captures.reading import read_chunks
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.monitor.data_quality import analysis as data_quality

HERE = Path(__file__).parent
THREADS = os.cpu_count() or 1
SEED = 11


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=float, default=1e6)
    parser.add_argument("--features", type=int, default=20, help="the first ones")
    parser.add_argument("--verdict-rows", type=float, default=100_000, help="of each drift")
    parser.add_argument("--scale-rows", type=float, default=0, help="ours alone on so many")
    parser.add_argument("--rounds", type=int, default=2, help="of ours, each time; the best counts")
    parser.add_argument("--work", type=Path, default=Path("build/monitoring"))
    add_json(parser)
    arguments = parser.parse_args()
    names = FEATURE_NAMES[: arguments.features]
    folder = arguments.work / f"{int(arguments.rows)}-{arguments.features}"
    prepare(folder, int(arguments.rows), int(arguments.verdict_rows), names)
    result = _measure(folder, arguments)
    if arguments.scale_rows:
        result |= _scale(folder, int(arguments.rows), int(arguments.scale_rows))
    show(result, arguments.json)


def prepare(folder: Path, rows: int, verdict_rows: int, names: tuple[str, ...]) -> None:
    """Writes baseline and captures, unless an earlier run has."""
    done = folder / "done"
    if done.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    in_process(_prepare, folder, rows, verdict_rows, names)
    done.touch()


def _prepare(folder: Path, rows: int, verdict_rows: int, names: tuple[str, ...]) -> None:
    import numpy as np  # noqa: PLC0415 - in its own process alone

    reference, current, statistics, constraints = build(rows, names)
    folder.mkdir(parents=True)
    for name, document in (("statistics", statistics), ("constraints", constraints)):
        (folder / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
    write_arrays(columns_of(reference, names), folder / "reference")
    columns = columns_of(current, names)
    write_arrays(columns, folder / "current")
    write_capture(columns, folder / "capture", THREADS)
    random = np.random.default_rng(SEED)
    for name, change in DRIFTS.items():
        some = np.sort(random.choice(rows, min(rows, verdict_rows), replace=False))
        sample = {feature: values[some] for feature, values in columns.items()}
        change(sample, random.random(len(some)) < 0.3)
        write_arrays(sample, folder / f"{name}-arrays")
        write_capture(sample, folder / name, THREADS)


def ours(folder: Path, capture: str) -> dict[str, Any]:
    """Our analysis: what is drifted, and of how many records."""
    documents = [
        json.loads((folder / f"{name}.json").read_text()) for name in ("statistics", "constraints")
    ]
    tally = Tally()
    chunks = read_chunks(folder / capture, DatasetFormat(), Interval(), tally)
    analysis = data_quality.analyze(chunks, *documents)
    found = {violation.subject: violation.check for violation in analysis.violations}
    return {"rows": tally.records, "drifted": found}


def _measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    peer = _environment(arguments.work)
    runs: list[Measurement] = []

    def run_ours() -> None:
        runs.extend(in_process(ours, folder, "capture") for _ in range(arguments.rounds))

    # Before, between and after, as whatever else the machine does comes and goes.
    run_ours()
    reading = _evidently(peer, "read", folder, "capture")
    run_ours()
    analysis = _evidently(peer, "analyze", folder, "current")
    run_ours()
    best = min(runs, key=lambda run: run.seconds)
    assert best.result["rows"] == reading["rows"] == int(arguments.rows)
    return {
        "rows": int(arguments.rows),
        "features": arguments.features,
        "seconds": round(best.seconds, 2),
        "peak_mib": round(max(run.peak_mib for run in runs)),
        "evidently_read_seconds": round(reading["seconds"], 1),
        "evidently_analysis_seconds": round(analysis["seconds"], 1),
        "evidently_read_peak_mib": round(reading["peak_mib"]),
        "evidently_analysis_peak_mib": round(analysis["peak_mib"]),
        "times_evidently": round((reading["seconds"] + analysis["seconds"]) / best.seconds, 1),
        "times_evidently_analysis_only": round(analysis["seconds"] / best.seconds, 1),
        "memory_over_evidently": round(max(run.peak_mib for run in runs) / analysis["peak_mib"], 3),
        "verdicts": {name: _verdicts(peer, folder, name) for name in DRIFTS},
    }


def _verdicts(peer: Path, folder: Path, name: str) -> dict[str, Any]:
    mine = in_process(ours, folder, name).result["drifted"]
    theirs = _evidently(peer, "analyze", folder, f"{name}-arrays")["drifted"]
    return {
        "both": sorted({*mine} & {*theirs}),
        "ours_alone": {subject: mine[subject] for subject in sorted({*mine} - {*theirs})},
        "evidently_alone": sorted({*theirs} - {*mine}),
    }


def _environment(work: Path) -> Path:
    """The interpreter of Evidently's environment."""
    home = work / "evidently"
    python = home / "bin" / "python"
    if not (home / "installed").exists():
        venv.create(home, clear=True, with_pip=True)
        wanted = HERE / "requirements-evidently.txt"
        install = [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(wanted)]
        subprocess.run(install, check=True)
        (home / "installed").touch()
    return python


def _evidently(peer: Path, work: str, folder: Path, current: str) -> dict[str, Any]:
    script = HERE / "peers" / "monitoring_evidently.py"
    done = subprocess.run(
        [peer, script, work, folder / "reference", folder / current],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _scale(folder: Path, rows: int, wanted: int) -> dict[str, Any]:
    """So many rows: the same file many times, by links."""
    (file,) = (folder / "capture").rglob("*.jsonl")
    large = folder / "large"
    shutil.rmtree(large, ignore_errors=True)
    large.mkdir()
    for number in range(-(-wanted // rows)):
        (large / f"{number:04}.jsonl").hardlink_to(file)
    run = in_process(ours, folder, "large")
    shutil.rmtree(large)
    return {
        "scale_rows": run.result["rows"],
        "scale_seconds": round(run.seconds, 1),
        "scale_peak_mib": round(run.peak_mib),
    }


if __name__ == "__main__":
    main()
