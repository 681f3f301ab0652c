"""The latency of one transaction, measured so that a busy machine refuses no good model."""

import time

import numpy as np
import numpy.typing as npt

from pipeline_code.train.model import Model

__all__ = ["latency_milliseconds"]

ROWS = 200
REPETITIONS = 5
PERCENTILE = 99


def latency_milliseconds(model: Model, rows: npt.NDArray[np.float32]) -> float:
    """The 99th percentile, over rows, of the time that scoring a row alone takes when compiled.

    A row's time is the fastest of several: whatever else a machine does only ever adds to it.
    """
    served = model.compiled()
    indices = np.unique(np.linspace(0, len(rows) - 1, ROWS).round().astype(np.int64))
    sample = [rows[index : index + 1] for index in indices]
    times = [[_seconds(served, row) for row in sample] for _ in range(REPETITIONS)]
    return float(np.percentile(np.min(times, axis=0), PERCENTILE) * 1000)


def _seconds(model: Model, row: npt.NDArray[np.float32]) -> float:
    started = time.perf_counter()
    model.predict(row)
    return time.perf_counter() - started
