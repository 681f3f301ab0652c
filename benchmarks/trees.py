"""Ways to score with trees, beside our compiled ones: how long they take and how far they are off.

    python -m benchmarks.trees --json -

XGBoost itself, ONNX Runtime, Treelite's interpreter and TL2cgen's C, each with one thread. The last
three are measured where their packages are installed (onnxruntime and onnxmltools, treelite,
tl2cgen and gcc); no requirements file has them. Two models are learned from the same rows: the
issue's 300 trees of depth 5, and the default parameters' 390 of depth 6.

JSON, by model and way: microseconds for 1, 16, 1,000 and 100,000 rows; largest_difference from
XGBoost's probabilities over all rows; file_bytes of what is deployed.
"""

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost

from benchmarks.measuring import add_json, show
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.train.algorithms import find_algorithm
from pipeline_code.train.model import Model, fit
from pipeline_code.train.parameters import Parameters

Rows = npt.NDArray[np.float32]
Predict = Callable[[Rows], Any]

MODELS = {
    "depth_5": Parameters(rounds=300, trees_per_round=1, max_depth=5),
    "default": Parameters(),
}
SIZES = (1, 16, 1_000, 100_000)
TRAINING_ROWS = 50_000
SECONDS_PER_FIGURE = 1.5


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_json(parser)
    arguments = parser.parse_args()
    rows = _rows(max(SIZES))
    result: dict[str, Any] = {}
    for name, parameters in MODELS.items():
        model = fit(rows[:TRAINING_ROWS], _labels(rows[:TRAINING_ROWS]), parameters=parameters)
        # Ours are followed by the model's calibration, all others by XGBoost's own sigmoid.
        expected = (
            model.predict(rows),
            _booster(model).inplace_predict(rows, validate_features=False),
        )
        with tempfile.TemporaryDirectory(prefix="trees-") as folder:
            for way, predict, size in _ways(model, Path(folder)):
                result |= {
                    f"{name}_{way}_{figure}": value
                    for figure, value in _measure(predict, expected[way != "compiled"], rows)
                }
                result[f"{name}_{way}_file_bytes"] = size
    show(result, arguments.json)


def _ways(model: Model, folder: Path) -> Iterator[tuple[str, Predict, int]]:
    content, booster = model.scorer.content, _booster(model)
    yield (
        "xgboost",
        lambda rows: booster.inplace_predict(rows, validate_features=False),
        len(content),
    )
    yield "compiled", model.compiled().predict, len(content)
    ways = {"onnx": _onnx, "treelite": _treelite, "tl2cgen": _tl2cgen}
    needs = {"onnx": ("onnxruntime", "onnxmltools"), "treelite": ("treelite",)}
    for way, made in ways.items():
        missing = [name for name in needs.get(way, ("treelite", way)) if find_spec(name) is None]
        if missing:
            print(f"{way} is not measured: {', '.join(missing)} must be installed, got none")
            continue
        predict, size = made(content, folder)
        yield way, predict, size


def _onnx(content: bytes, _: Path) -> tuple[Predict, int]:
    import onnxruntime  # noqa: PLC0415
    from onnxmltools import convert_xgboost  # noqa: PLC0415
    from onnxmltools.convert.common.data_types import FloatTensorType  # noqa: PLC0415

    booster = xgboost.Booster(model_file=bytearray(content))
    booster.feature_names = None  # it takes no other names than f0, f1, ...
    shape = FloatTensorType([None, len(FEATURE_NAMES)])
    text = convert_xgboost(booster, initial_types=[("rows", shape)]).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(text, options, providers=["CPUExecutionProvider"])
    output = session.get_outputs()[1].name
    return lambda rows: session.run([output], {"rows": rows})[0][:, 1], len(text)


def _treelite(content: bytes, folder: Path) -> tuple[Predict, int]:
    import treelite  # noqa: PLC0415

    trees = _read_by_treelite(content, folder)
    return lambda rows: treelite.gtil.predict(trees, rows, nthread=1), len(content)


def _tl2cgen(content: bytes, folder: Path) -> tuple[Predict, int]:
    import tl2cgen  # noqa: PLC0415

    library = folder / "trees.so"
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        tl2cgen.export_lib(
            _read_by_treelite(content, folder),
            toolchain="gcc",
            libpath=str(library),
            params={"parallel_comp": os.cpu_count()},
        )
    predictor = tl2cgen.Predictor(str(library), nthread=1)
    return lambda rows: predictor.predict(tl2cgen.DMatrix(rows)), library.stat().st_size


def _read_by_treelite(content: bytes, folder: Path) -> Any:
    import treelite  # noqa: PLC0415

    file = folder / find_algorithm("xgboost").file
    file.write_bytes(content)
    return treelite.frontend.load_xgboost_model(str(file))


def _measure(predict: Predict, expected: Rows, rows: Rows) -> Iterator[tuple[str, float]]:
    difference = np.asarray(predict(rows)).reshape(-1).astype(np.float64) - expected
    yield "largest_difference", float(np.abs(difference).max())
    for size in SIZES:
        yield f"{size}_rows", _microseconds(predict, rows[:size])


def _booster(model: Model) -> xgboost.Booster:
    booster = xgboost.Booster(model_file=bytearray(model.scorer.content))
    booster.set_param({"nthread": 1})
    return booster


def _microseconds(predict: Predict, rows: Rows) -> float:
    """The fastest of many calls: whatever else the machine does only ever adds to one."""
    taken: list[float] = []
    until = time.monotonic() + SECONDS_PER_FIGURE
    while time.monotonic() < until or len(taken) < 3:
        started = time.perf_counter()
        predict(rows)
        taken.append(time.perf_counter() - started)
    return round(min(taken) * 1e6, 1)


def _rows(count: int) -> Rows:
    random = np.random.default_rng(7)
    drawn = np.abs(random.normal(0, 1_000, (count, len(FEATURE_NAMES)))).round()
    return drawn.astype(np.float32)


def _labels(rows: Rows) -> npt.NDArray[np.int8]:
    noise = np.random.default_rng(8).normal(0, 500, len(rows))
    return (rows[:, 0] + rows[:, 1] + noise > 3_500).astype(np.int8)


if __name__ == "__main__":
    main()
