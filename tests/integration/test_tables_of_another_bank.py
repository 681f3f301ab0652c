"""Another bank's file, by the example of docs/own-data.md, becomes a model that scores it.

Runs after all but the teardown (pytest takes the files of a folder by name): what it brings into
the lake is newer than all else there, so that the model is made of it.
"""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from operations.cli import app
from operations.data import lake
from operations.models import registry
from pipeline_code.common.schema import TRANSACTIONS, read
from pipeline_code.simulate.simulation import simulate
from pipeline_code.simulate.world import SimulationConfig
from tests.operations.own import other_bank

pytestmark = pytest.mark.end_to_end

# Behind what the demo and the other tests played.
START = date(2025, 9, 1)
Ask = Callable[..., Any]


@pytest.fixture
def ask(played: Any, tmp_path: Path) -> Ask:
    """ask("models"): what a verb answers, as JSON."""

    def run(*arguments: str) -> Any:
        file = tmp_path / "answer.json"
        options = ["--state", str(played.state), "--json", str(file)]
        done = CliRunner().invoke(app, [*arguments, *options])
        assert done.exit_code == 0, done.output
        return json.loads(file.read_text())

    return run


def test_another_banks_file_becomes_a_model_that_scores_it(
    played: Any, ask: Ask, tmp_path: Path
) -> None:
    world = simulate(SimulationConfig(start=START, days=60, customers=120, terminals=240, seed=11))
    file = tmp_path / "bank.csv.gz"
    other_bank.write_file(file, world.transactions, world.fraud_reports)
    mapped = [str(file), "--mapping", str(other_bank.MAPPING)]

    checked = ask("ingest", *mapped, "--check", "--register-customers")
    assert checked["faults"] is None
    ingested = ask("ingest", *mapped, "--register-customers")
    for name in ("transactions", "fraud_reports"):
        assert ingested[name] == checked[name] == getattr(world, name).num_rows
    assert ingested["kept_columns"] == ["channel"]

    trained = ask("train", "--reason", "another bank")
    version = registry.find(played.target, trained["model_package"])
    approved = ask("approve", version["ModelPackageArn"], "--reason", "another bank")
    assert approved["decision"] == "Approved"

    scored = ask("score", *mapped, "--limit", "20")
    assert (scored["scored"], scored["failed"]) == (20, 0)
    assert scored["model_versions"] == {version["ModelPackageArn"]: 20}
    # By the ids that they landed with.
    first = world.transactions["event_time"][0].as_py()
    lake.download(played.target, f"transactions/event_date={first:%Y-%m-%d}/", tmp_path)
    landed = read(tmp_path / "transactions", TRANSACTIONS)["transaction_id"].to_pylist()
    assert {each["transaction_id"] for each in scored["scores"]} <= set(landed)
