"""Evidently's side of benchmarks/monitoring.py; runs in an environment of its own.

    python monitoring_evidently.py read|analyze REFERENCE CURRENT

`read` parses a capture into a data frame; `analyze` runs the data-drift preset on arrays that are
loaded before the clock starts. Prints one line of JSON.
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd


def main() -> None:
    """Does what the command line says."""
    work, reference, current = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    result = read(current) if work == "read" else analyze(reference, current)
    result["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(result))


def read(capture: Path) -> dict[str, Any]:
    """Parses every line twice, as a capture is: the exchange, and the answer in it."""
    start = time.monotonic()
    rows = []
    for file in sorted(capture.rglob("*.jsonl")):
        with file.open("rb") as lines:
            for line in lines:
                answer = orjson.loads(line)["captureData"]["endpointOutput"]["data"]
                rows.append(tuple(orjson.loads(answer)["features"].values()))
    frame = pd.DataFrame(rows)
    return {"rows": len(frame), "seconds": time.monotonic() - start}


def analyze(reference: Path, current: Path) -> dict[str, Any]:
    """Runs the preset."""
    from evidently import Report  # noqa: PLC0415 - `read` does without it
    from evidently.presets import DataDriftPreset  # noqa: PLC0415

    frames = [_frame(reference), _frame(current)]
    start = time.monotonic()
    snapshot = Report([DataDriftPreset()]).run(frames[1], frames[0])
    metrics = json.loads(snapshot.json())["metrics"]
    seconds = time.monotonic() - start
    return {"seconds": seconds, "drifted": [name for name, found in _columns(metrics) if found]}


def _frame(folder: Path) -> pd.DataFrame:
    names = json.loads((folder / "names.json").read_text())
    return pd.DataFrame({name: np.load(folder / f"{name}.npy") for name in names})


def _columns(metrics: list[dict[str, Any]]) -> list[tuple[str, bool]]:
    """Each column's verdict: a p-value below its threshold, or a distance from it on."""
    verdicts = []
    for metric in metrics:
        config = metric.get("config", {})
        if "column" in config:
            value, limit = float(metric["value"]), float(config["threshold"])
            is_p_value = "p_value" in str(config["method"])
            verdicts.append((config["column"], value < limit if is_p_value else value >= limit))
    return verdicts


if __name__ == "__main__":
    main()
