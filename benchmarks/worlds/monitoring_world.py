"""The world of benchmarks/monitoring.py: simulated feature rows, and their captures."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from pipeline_code.features.batch import compute
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.features.windows import Period
from pipeline_code.monitor.data_quality.baseline import compute_of_rows
from pipeline_code.simulate.simulation import simulate
from pipeline_code.simulate.world import SimulationConfig

__all__ = ["DRIFTS", "build", "columns_of", "write_arrays", "write_capture"]

Columns = dict[str, npt.NDArray[np.float32]]

START, HISTORY_DAYS, WEEKS = date(2024, 1, 1), 42, 3
DAILY = 1.8  # transactions of a customer, a bit less than there are
NOON = datetime(2024, 4, 1, 12, tzinfo=UTC)
VERSION = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/fraudloop-local/3"
SEED = 5


def build(rows: int, names: tuple[str, ...]) -> tuple[pa.Table, pa.Table, Any, Any]:
    """Rows of three weeks, of the three weeks after, and the first ones' baseline documents."""
    days = 7 * WEEKS
    landing = simulate(
        SimulationConfig(
            start=START,
            days=HISTORY_DAYS + 2 * days,
            customers=int(rows / (days * DAILY)) + 10,
            terminals=2 * int(rows / (days * DAILY)) + 20,
        )
    ).landing()
    table = compute(landing.transactions, landing.fraud_reports)
    first = datetime(START.year, START.month, START.day, tzinfo=UTC) + timedelta(HISTORY_DAYS)
    periods = [
        Period(first + timedelta(begin), first + timedelta(begin + days)) for begin in (0, days)
    ]
    random = np.random.default_rng(SEED)
    reference, current = (_some(table, period, rows, random) for period in periods)
    documents = compute_of_rows(reference, HISTORY_DAYS)
    for document in documents:
        document["features"] = [f for f in document["features"] if f["name"] in names]
    return reference, current, *documents


def _some(table: pa.Table, period: Period, rows: int, random: np.random.Generator) -> pa.Table:
    inside = np.flatnonzero(period.mask(table))
    if len(inside) < rows:
        raise SystemExit(f"the world must have {rows} rows a period, got {len(inside)}")
    return table.take(np.sort(random.choice(inside, rows, replace=False)))


def columns_of(table: pa.Table, names: tuple[str, ...]) -> Columns:
    """The features' values."""
    return {name: table[name].to_numpy() for name in names}


def _unchanged(_: Columns, __: npt.NDArray[np.bool_]) -> None:
    pass


def _inflated(columns: Columns, _: npt.NDArray[np.bool_]) -> None:
    for name in columns:
        if "amount" in name and "over" not in name:
            columns[name] = columns[name] * np.float32(1.5)


def _new_terminals(columns: Columns, some: npt.NDArray[np.bool_]) -> None:
    for name in columns:
        if name.startswith("terminal_"):
            known = np.float32(1 if "count" in name else 0)
            columns[name] = np.where(some, known, columns[name])


def _broken(columns: Columns, some: npt.NDArray[np.bool_]) -> None:
    columns["customer_count_7d"] = np.where(some, np.float32(np.nan), columns["customer_count_7d"])


# What is done to all rows or to three in ten.
DRIFTS: Mapping[str, Callable[[Columns, npt.NDArray[np.bool_]], None]] = {
    "quiet": _unchanged,
    "amount_inflation": _inflated,
    "new_terminals": _new_terminals,
    "feature_turns_null": _broken,
}


def write_arrays(columns: Columns, folder: Path) -> None:
    """The columns as Evidently's side loads them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "names.json").write_text(json.dumps(list(columns)), encoding="utf-8")
    for name, values in columns.items():
        np.save(folder / f"{name}.npy", values.astype(np.float64))


def write_capture(columns: Columns, folder: Path, processes: int) -> Path:
    """One exchange a row about one transaction, as our server answers and SageMaker writes."""
    hour = folder / "2024/04/01/12"
    hour.mkdir(parents=True, exist_ok=True)
    count = len(next(iter(columns.values())))
    edges = [count * part // processes for part in range(processes + 1)]
    parts = [
        ({name: values[begin:end] for name, values in columns.items()}, begin, hour / f"{begin:09}")
        for begin, end in pairwise(edges)
    ]
    with ProcessPoolExecutor(processes) as pool:
        files = list(pool.map(_write_part, parts))
    whole = hour / "00-00-000-capture.jsonl"
    with whole.open("wb") as target:
        for file in files:
            target.write(file.read_bytes())
            file.unlink()
    return whole


def _write_part(part: tuple[Columns, int, Path]) -> Path:
    columns, first, file = part
    assert set(columns) <= {*FEATURE_NAMES}
    random = np.random.default_rng(first)
    with file.open("wb") as target:
        rows = zip(*(values.tolist() for values in columns.values()), strict=True)
        for number, row in enumerate(rows, start=first):
            target.write(
                orjson.dumps(_exchange(number, dict(zip(columns, row, strict=True)), random))
            )
            target.write(b"\n")
    return file


def _exchange(number: int, features: dict[str, float], random: np.random.Generator) -> Any:
    asked = {
        "transaction_id": number,
        "event_time": f"2024-04-01T11:{number % 60:02}:{number % 59:02}Z",
        "customer_id": number % 25_000,
        "terminal_id": number % 50_000,
        "amount": f"{number % 30_000 / 100:.2f}",
    }
    answered = {
        "transaction_id": number,
        "score": float(np.float32(random.random())),
        "decision": "review" if number % 100 == 0 else "approve",
        "model_version": VERSION,
        "degraded": number % 200 == 0,
        "degraded_reasons": ["customer_unknown"] if number % 200 == 0 else [],
        "features": features,
    }
    moment = NOON + timedelta(seconds=number % 3600)
    return {
        "captureData": {
            "endpointInput": _side("INPUT", asked),
            "endpointOutput": _side("OUTPUT", answered),
        },
        "eventMetadata": {
            "eventId": f"{number:08x}-0000-4000-8000-{number:012x}",
            "inferenceId": f"transaction-{number}",
            "inferenceTime": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        },
        "eventVersion": "0",
    }


def _side(mode: str, document: Any) -> Any:
    return {
        "observedContentType": "application/json",
        "mode": mode,
        "data": orjson.dumps(document).decode(),
        "encoding": "JSON",
    }
