"""The training job, from channel to model folder, and everything it refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline_code.__main__ import main as run_entry
from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import SCHEMA_VERSION
from pipeline_code.train.entry import main
from pipeline_code.train.model import Model

from .conftest import make_rows

Write = Callable[..., None]
CHANNEL = "input/data/train"


def set_hyperparameters(root: Path, text: str) -> None:
    file = root / "input" / "config" / "hyperparameters.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)


def test_trains_a_model(ml_root: Path, write_rows: Write) -> None:
    write_rows(ml_root / CHANNEL, make_rows())
    set_hyperparameters(ml_root, json.dumps({"rounds": "4", "sagemaker_region": "us-east-1"}))
    assert main([]) == 0
    model = Model.load(ml_root / "model")
    assert model.metadata.hyperparameters["rounds"] == 4
    assert model.metadata.train_rows == 2000
    assert model.metadata.compiled["largest_difference"] == 0.0
    assert model.metadata.compiled["rows"] > 2000
    assert model.metadata.train_first_event == "2018-06-26T08:00:00.000000Z"
    assert model.metadata.train_last_event == "2018-06-27T17:19:00.000000Z"


def test_reads_partitions_below_the_channel(ml_root: Path, write_rows: Write) -> None:
    write_rows(ml_root / CHANNEL / "event_date=2018-06-26", make_rows(seed=1))
    write_rows(ml_root / CHANNEL / "event_date=2018-06-27", make_rows(seed=2))
    main([])
    assert Model.load(ml_root / "model").metadata.train_rows == 4000


def test_two_runs_leave_the_same_bytes(ml_root: Path, write_rows: Write) -> None:
    write_rows(ml_root / CHANNEL, make_rows())
    written = []
    for _ in range(2):
        main([])
        files = sorted((ml_root / "model").iterdir())
        written.append([(file.name, file.read_bytes()) for file in files])
    assert written[0] == written[1]


def test_a_failure_is_written_where_sagemaker_reads_it(ml_root: Path) -> None:
    assert run_entry(["train"]) == 1
    message = (ml_root / "output" / "failure").read_text()
    assert message == "train must hold at least one Parquet file, got none; run `features`"


def changed(name: str, values: pa.Array | list[object]) -> dict[str, pa.Array]:
    return make_rows(100) | {name: pa.array(values) if isinstance(values, list) else values}


def without(name: str) -> dict[str, pa.Array]:
    return {key: column for key, column in make_rows(100).items() if key != name}


FLOATS = [0.0] * 99


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (make_rows(0), "train must hold at least one row, got none"),
        (changed("is_fraud", [0] * 100), "at least one fraud, got none in 100 rows"),
        (changed("is_fraud", [1] * 100), "a genuine transaction, got 100 frauds only"),
        (changed("is_fraud", [0] * 99 + [2]), "is_fraud must be 0 or 1, got 2 in row 99"),
        (changed("is_fraud", [0] * 99 + [-1]), "is_fraud must be 0 or 1, got -1 in row 99"),
        (changed("is_fraud", [0] * 99 + [None]), "is_fraud must have a value in every row"),
        (changed("is_fraud", ["no"] * 100), "is_fraud must be a number, got string"),
        (without("is_fraud"), "must have the columns is_fraud"),
        (without("terminal_risk_7d"), "must have the columns terminal_risk_7d"),
        (
            changed("terminal_risk_7d", [*FLOATS, float("nan")]),
            "terminal_risk_7d must be finite, got nan in row 99",
        ),
        (
            changed("terminal_risk_1d", [*FLOATS, float("inf")]),
            "terminal_risk_1d must be finite, got inf in row 99",
        ),
        (changed("terminal_risk_1d", [*FLOATS, None]), "got 1 nulls"),
    ],
)
def test_rows_that_could_only_make_a_bad_model_are_refused(
    ml_root: Path, write_rows: Write, columns: dict[str, pa.Array], message: str
) -> None:
    write_rows(ml_root / CHANNEL, columns)
    with pytest.raises(BadInput, match=message):
        main([])
    assert not (ml_root / "model").exists()


@pytest.mark.parametrize(("version", "got"), [("v0", "v0"), ("", "none")])
def test_another_feature_schema_is_refused(
    ml_root: Path, write_rows: Write, version: str, got: str
) -> None:
    write_rows(ml_root / CHANNEL, make_rows(100), version)
    rule = f"must have feature schema version {SCHEMA_VERSION}, got {got}"
    with pytest.raises(BadInput, match=rule):
        main([])


@pytest.mark.parametrize(
    ("text", "message"), [("{", "must be JSON"), ("[]", "must be a JSON object, got list")]
)
def test_damaged_hyperparameters_are_refused(
    ml_root: Path, write_rows: Write, text: str, message: str
) -> None:
    write_rows(ml_root / CHANNEL, make_rows(100))
    set_hyperparameters(ml_root, text)
    with pytest.raises(BadInput, match=message):
        main([])


def test_a_constant_feature_is_refused(ml_root: Path, write_rows: Write) -> None:
    write_rows(ml_root / CHANNEL, make_rows() | {"is_night": pa.array(np.zeros(2000))})
    with pytest.raises(BadInput, match="train column is_night must have more than one value"):
        main([])


def test_a_constant_feature_may_be_allowed(ml_root: Path, write_rows: Write) -> None:
    write_rows(ml_root / CHANNEL, make_rows() | {"is_night": pa.array(np.zeros(2000))})
    set_hyperparameters(ml_root, '{"allow_constant_features": "true", "rounds": "2"}')
    assert main([]) == 0
