"""What the command imports before it does anything: a verb's help and completion are quick."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from operations.environments import environment_names
from stacks.environments import ENVIRONMENTS

# Each takes a tenth of a second or more. Rich draws tables, which a help has none of.
HEAVY = {
    *("aws_cdk", "boto3", "botocore", "duckdb", "jsii", "numpy", "pandas", "pyarrow", "requests"),
    *("rich", "sagemaker", "scipy", "sklearn", "urllib3", "xgboost"),
}
HELP_OF_ALL = """
import sys
import typer
from typer.testing import CliRunner
from operations.cli import app

def paths(command, path=()):
    yield path
    for name, each in getattr(command, "commands", {}).items():
        yield from paths(each, (*path, name))

for path in paths(typer.main.get_command(app)):
    shown = CliRunner().invoke(app, [*path, "--help"])
    assert shown.exit_code == 0, path
    print(*path, *sorted({name.partition(".")[0] for name in sys.modules}), sep=" ")
"""
OVERVIEW = """
import sys
import operations.deployment.status, operations.models.versions
print(*{name.partition(".")[0] for name in sys.modules})
"""


COMMAND = "from operations.cli import main; main()"
# What a shell asks the command for when somebody presses TAB.
WORDS = {
    "bash": lambda words: {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))},
    "zsh": lambda words: {"_TYPER_COMPLETE_ARGS": words},
    "fish": lambda words: {
        "_TYPER_COMPLETE_ARGS": words,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    },
}


def run(program: str, *options: str, **variables: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program, *options],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "80", **variables},
    ).stdout


def test_the_help_of_every_verb_imports_nothing_heavy() -> None:
    lines = run(HELP_OF_ALL).splitlines()
    assert len(lines) > 25
    for line in lines:
        assert not HEAVY & set(line.split()), line


def test_what_status_and_models_ask_with_needs_no_data_libraries() -> None:
    found = set(run(OVERVIEW).split())
    assert HEAVY & found <= {"boto3", "botocore", "urllib3", "requests"}


@pytest.mark.parametrize("shell", WORDS)
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("fraudloop ret", {"retrain", "retraining"}),
        ("fraudloop shadow st", {"start", "stop", "status"}),
        ("fraudloop approve --env", {"--environment"}),
        ("fraudloop status --environment ", {"local", "dev", "prod"}),
        ("fraudloop shadow start -e p", {"prod"}),
    ],
)
def test_shells_complete_verbs_options_and_environments(
    shell: str, words: str, offered: set[str]
) -> None:
    asked = {"_FRAUDLOOP_COMPLETE": f"complete_{shell}", **WORDS[shell](words)}
    answer = run(COMMAND, **asked)
    found = answer.replace('"', " ").replace("\t", " ").replace(":", " ").split()
    # The others show descriptions, too.
    assert offered <= set(found) if shell != "bash" else offered == set(found)


@pytest.mark.parametrize("shell", WORDS)
def test_a_shell_is_given_its_completion(shell: str) -> None:
    # Typer finds out by itself which shell runs it, unless told not to.
    unasked = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    script = run(COMMAND, "--show-completion", shell, **unasked)
    assert f"_FRAUDLOOP_COMPLETE=complete_{shell}" in script


def test_the_version_is_the_packages() -> None:
    assert run(COMMAND, "--version") == f"fraudloop {version('fraudloop')}\n"


def test_environments_are_named_without_the_cdk_as_they_are_defined() -> None:
    assert environment_names() == tuple(ENVIRONMENTS)


def test_an_environment_of_ones_own_is_known(tmp_path: Path) -> None:
    definitions = tmp_path / "environments.py"
    definitions.write_text(
        'LOCAL = Environment(name="local", training=TrainingConfig(train_days=21))\n'
        'STAGING: Environment = replace(LOCAL, may_delete_data=False, name="staging")\n'
        'WHERE = "elsewhere"\n'
    )
    assert environment_names(definitions) == ("local", "staging")
