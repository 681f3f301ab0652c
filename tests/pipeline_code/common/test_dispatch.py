"""The dispatcher runs what is named, and says why something failed where SageMaker looks for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline_code import __main__ as dispatcher
from pipeline_code.common import exits
from pipeline_code.common.exits import BadInput

PROJECT = Path(dispatcher.__file__).parents[1]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    return tmp_path


def raising(error: Exception) -> object:
    def main(_argv: object) -> int:
        raise error

    return main


@pytest.mark.parametrize("argv", [[], ["shell"], ["../check"]])
def test_an_unknown_entry_is_answered_with_the_list(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert dispatcher.main(argv) == 2
    message = capsys.readouterr().err
    assert all(entry in message for entry in dispatcher.ENTRIES)
    assert (argv[0] if argv else "nothing") in message


@pytest.mark.parametrize(("entry", "name"), [("check", "message"), ("train", "failure")])
def test_bad_input_is_told_without_a_traceback(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    entry: str,
    name: str,
) -> None:
    error = BadInput("amount must be positive, got -1")
    monkeypatch.setattr(dispatcher, "_entry_main", lambda _: raising(error))
    assert dispatcher.main([entry]) == 1
    assert (root / "output" / name).read_text() == "amount must be positive, got -1"
    captured = capsys.readouterr().err
    assert "amount must be positive" in captured
    assert "Traceback" not in captured


def test_an_unexpected_error_leaves_a_traceback_and_a_short_reason(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dispatcher, "_entry_main", lambda _: raising(KeyError("amount")))
    assert dispatcher.main(["features"]) == 1
    assert (root / "output" / "message").read_text() == "KeyError: 'amount'"
    assert "Traceback" in capsys.readouterr().err


def test_outside_of_a_job_no_message_file_appears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path / "absent"))
    exits.report_failure("check", "reason")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("letter", ["x", "ä", "€"])
def test_a_long_reason_is_cut_to_sagemakers_limit(letter: str) -> None:
    assert exits.shortened(letter * 5) == letter * 5
    shortened = exits.shortened(letter * 2000)
    assert 1000 < len(shortened.encode()) <= exits.MESSAGE_LIMIT
    assert shortened.endswith(letter + "...")


def test_as_a_process_with_arguments(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipeline_code", "check", "--fast"]
    environment = {**os.environ, "SAGEMAKER_BASE_DIR": str(tmp_path), "PYTHONPATH": str(PROJECT)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "check takes no arguments, got --fast" in run.stderr
    assert (tmp_path / "output" / "message").is_file()


@pytest.mark.parametrize("entry", dispatcher.ENTRIES)
def test_every_entry_explains_itself(entry: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        dispatcher.main([entry, "--help"])
    assert ended.value.code == 0
    assert f"usage: {entry}" in capsys.readouterr().out


def test_the_dispatcher_itself_loads_no_heavy_library() -> None:
    program = "import sys, pipeline_code.__main__; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert {"numpy", "pyarrow", "xgboost", "boto3"}.isdisjoint(run.stdout.split())
