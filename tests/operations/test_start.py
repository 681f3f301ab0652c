"""What the command imports before it does anything: a verb's help and completion are quick."""

import subprocess
import sys

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


def _run(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout


def test_the_help_of_every_verb_imports_nothing_heavy() -> None:
    lines = _run(HELP_OF_ALL).splitlines()
    assert len(lines) > 25
    for line in lines:
        assert not HEAVY & set(line.split()), line


def test_what_status_and_models_ask_with_needs_no_data_libraries() -> None:
    found = set(_run(OVERVIEW).split())
    assert HEAVY & found <= {"boto3", "botocore", "urllib3", "requests"}
