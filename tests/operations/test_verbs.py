"""The command's own behaviour: options, help, and how expected failures end."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from operations.cli import app

VERBS = [
    "up",
    "down",
    "deploy",
    "destroy",
    "simulate",
    "ingest",
    "redrive",
    "train",
    "approve",
    "reject",
    "rollback",
    "models",
    "lineage",
    "compare",
    "score",
    "drift",
    "status",
    "retrain",
    "backtest",
    "demo",
]

runner = CliRunner()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_and_speaks_json(verb: str) -> None:
    shown = runner.invoke(app, [verb, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert "--json" in shown.output


@pytest.mark.parametrize(
    "verb", ["deploy", "ingest", "redrive", "train", "approve", "score", "status"]
)
def test_every_verb_that_needs_a_target_takes_its_place(verb: str) -> None:
    shown = runner.invoke(app, [verb, "--help"], env={"COLUMNS": "200"})
    for option in ("--environment", "--profile", "--region", "--state"):
        assert option in shown.output


def test_a_verb_without_a_running_embedded_aws_says_how_to_start_it(tmp_path: Path) -> None:
    done = runner.invoke(app, ["status", "--state", str(tmp_path / "none")])
    assert done.exit_code == 1
    assert "fraudloop up" in done.stderr


def test_simulate_writes_the_lake_and_says_what(tmp_path: Path) -> None:
    out = tmp_path / "lake"
    done = runner.invoke(app, ["simulate", str(out), "--days", "2", "--json", "-"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["customers"] == 200
    assert result["files"] == len(list(out.rglob("*.parquet")))


def test_backtest_of_a_missing_file_names_it(tmp_path: Path) -> None:
    missing = tmp_path / "nothing.parquet"
    options = ["--data", str(missing), "--train-start", "2018-08-15"]
    done = runner.invoke(app, ["backtest", *options])
    assert done.exit_code == 1
    assert str(missing) in done.stderr.replace("\n", "")


def test_down_of_nothing_is_no_error(tmp_path: Path) -> None:
    done = runner.invoke(app, ["down", "--state", str(tmp_path / "none"), "--json", "-"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["stopped"] is False
