"""The command's own behaviour: options, help, and how expected failures end."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from local_aws.server import EmbeddedAws
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


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (["--profile", "nobody"], "The config profile (nobody) could not be found"),
        ([], "region must be known, got none; give --region or set it in the profile"),
        (["--region", "eu_west"], "region_name 'eu_west' doesn't match a supported format"),
        (["--region", "eu-west-1"], "Unable to locate credentials"),
    ],
)
@pytest.mark.parametrize("verb", [["approve"], ["rollback"], ["reject"], ["shadow", "start"]])
def test_a_place_that_is_none_is_named_in_a_line(
    verb: list[str], place: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    done = runner.invoke(app, [*verb, "--environment", "dev", *place])
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("fraudloop: ")
    assert told in line


@pytest.mark.parametrize("verb", [["approve"], ["rollback"], ["reject"], ["shadow", "start"]])
def test_what_is_not_deployed_is_named_with_where_it_was_looked_for(
    verb: list[str], embedded_aws: EmbeddedAws
) -> None:
    done = runner.invoke(app, [*verb, "--state", str(embedded_aws.state_dir)])
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert "environment must be deployed, got no stack of 'local' in us-east-1; run" in line
    assert "`fraudloop deploy` first, or give the --profile and --region where it is" in line


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
