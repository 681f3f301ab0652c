"""What is refused before anything is made."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from benchmarks.smoke import everything
from local_aws.server import EmbeddedAws
from operations.cli import app
from operations.environments import environment_names, may_delete_data
from operations.errors import OperationError
from operations.smoke.cost import LIMIT, check_cost
from operations.smoke.probes import PROBES
from stacks.environments import ENVIRONMENTS


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--only", "weather"], "--only must be a question that is asked, got weather"),
        (["--only", "words"], "got words, which is not: it is about words alone"),
        (["--account", "123456789012"], "--account must be the account's number, 000000000000"),
        (["--embedded", "-e", "prod"], "got None; prod may not delete data"),
        (["--json", "/proc/no/such"], "--json must be a file that can be written"),
    ],
)
def test_bad_input_is_a_line(
    options: list[str], words: str, aws: EmbeddedAws, smoke: Callable[..., Result]
) -> None:
    before = everything(aws.session().client)
    done = smoke(aws, *options)
    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)
    assert words in done.stderr
    assert everything(aws.session().client) == before


def test_an_environment_that_keeps_data_takes_its_account(
    aws: EmbeddedAws, smoke: Callable[..., Result]
) -> None:
    prod = ("--embedded", "-e", "prod", "--account", "000000000000")
    assert smoke(aws, *prod, "--only", "bus-role").exit_code == 0


def test_without_an_image_what_needs_one_stays_open(
    aws: EmbeddedAws, smoke: Callable[..., Result]
) -> None:
    # No stack of this environment is deployed.
    prod = ("--embedded", "-e", "prod", "--account", "000000000000")
    done = smoke(aws, *prod, "--only", "key-at-once", "--only", "role-at-once")
    assert done.exit_code == 4
    assert "deploy the image first" in " ".join(done.output.split())


def test_questions_are_listed_without_an_account() -> None:
    done = CliRunner().invoke(app, ["smoke", "--list"])
    assert done.exit_code == 0
    assert "alarm-before-update: Does an alarm that is in ALARM before" in done.output
    assert "    roll-back (assumed), ignore\n" in done.output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "the behaviour must be a JSON file, got"),
        ("{}", "the behaviour must be an object with the member 'behaviour'"),
        (
            '{"behaviour": {"bus-role": "maybe"}}',
            "bus-role must be needed or not-needed, got maybe",
        ),
    ],
)
def test_what_is_to_be_played_is_checked_before_a_start(
    text: str | None, words: str, tmp_path: Path
) -> None:
    file, state = tmp_path / "told.json", tmp_path / "state"
    if text is not None:
        file.write_text(text)
    options = ["--state", str(state), "--aws-behaviour", str(file), "--progress", "none"]
    done = CliRunner().invoke(app, ["up", *options])
    assert (done.exit_code, len(done.stderr.splitlines()), state.exists()) == (1, 1, False)
    assert words in done.stderr


@pytest.mark.parametrize("name", environment_names())
def test_who_may_delete_data_is_known_without_the_cdk(name: str) -> None:
    assert may_delete_data(name) == ENVIRONMENTS[name].may_delete_data


def test_a_run_costs_less_than_its_limit_or_is_refused() -> None:
    assert 0.1 < check_cost(PROBES) < LIMIT
    dear = [replace(probe, minutes={"hosting ml.m5.large": 600}) for probe in PROBES[:1]]
    with pytest.raises(OperationError, match=r"must cost 1\.00 US dollars at most, got an est"):
        check_cost(dear)
