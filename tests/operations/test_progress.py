"""What long work shows: live on a terminal, as lines in a log, as JSON Lines for programs."""

import io
import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from operations import displays, progress
from operations.deployment import toolchain
from operations.displays import shown
from operations.errors import OperationError
from operations.progress import Display


def demonstrate() -> None:
    """A thing with others in it, one of which takes many steps, and one after it."""
    with progress.activity("deploy"):
        for done in range(1, 101):
            progress.count("upload", done, 100, "files")
        progress.update("stack", "CREATE_IN_PROGRESS")
        progress.update("stack", "CREATE_IN_PROGRESS")
        progress.update("stack", "CREATE_COMPLETE", ended=True, seconds=75.2)
        progress.update("stack", "49 CREATE_COMPLETE a resource, late", passing=True)
    progress.update("verdict", "good", ended=True, seconds=0.5)


def test_a_log_has_a_line_with_the_time_for_each_change(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with shown(Display.LINES):
        demonstrate()
    said = capsys.readouterr()
    assert said.out == ""
    times, lines = zip(*(line.split(" ", 1) for line in said.err.splitlines()), strict=True)
    assert {datetime.fromisoformat(each).utcoffset() for each in times} == {timedelta(0)}
    first, *others, last_but_one, last = lines
    assert first == "deploy: began"
    assert others[0] == "  upload: 1 of 100 files"
    # What another state soon replaces is said now and then; the end always.
    assert len(others) == 4
    assert others[1].startswith("  upload: 100 files, ")
    assert others[2:] == ["  stack: CREATE_IN_PROGRESS", "  stack: CREATE_COMPLETE, 1 min 15 s"]
    assert last_but_one.startswith("deploy: done, ")
    assert last == "verdict: good, 0.5 s"


def test_programs_read_every_change_as_a_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    with shown(Display.JSON):
        demonstrate()
    updates = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {tuple(each) for each in updates} == {
        ("time", "item", "state", "ended", "failed", "seconds", "within")
    }
    uploads = [each for each in updates if each["item"] == "upload"]
    assert [each["state"] for each in uploads[:2]] == ["1 of 100 files", "2 of 100 files"]
    assert len(uploads) == 100
    assert {tuple(each["within"]) for each in uploads} == {("deploy",)}
    assert [each["state"] for each in updates if each["item"] == "stack"] == [
        "CREATE_IN_PROGRESS",
        "CREATE_COMPLETE",
    ]


def rows_of(terminal: displays.Terminal) -> list[str]:
    """What the table has, at 60 columns."""
    paper = Console(file=io.StringIO(), width=60)
    with paper.capture() as capture:
        paper.print(terminal.table())
    return capture.get().splitlines()


def test_a_terminal_has_a_row_for_each_thing_until_what_it_is_a_part_of_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=60, _environ={})
    monkeypatch.setattr(displays, "errors", lambda: console)
    with shown(Display.AUTO):
        (terminal,) = progress.logger.handlers
        assert isinstance(terminal, displays.Terminal)
        with progress.activity("deploy"):
            progress.update("stack", "x" * 100)
            rows = rows_of(terminal)
            # Each is a line, however long its state.
            assert [row.split()[1] for row in rows] == ["deploy", "stack"]
            assert all(row.endswith(" s") for row in rows)
        (row,) = rows_of(terminal)
        assert row.split()[:3] == ["✓", "deploy", "done"]
        # Its time ended with it.
        later = SimpleNamespace(monotonic=lambda: 1e9)
        monkeypatch.setattr("operations.displays.time", later)
        assert rows_of(terminal) == [row]
        progress.finish()
        (row,) = rows_of(terminal)
        assert "deploy" in row


def test_what_was_broken_off_stays_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=60, _environ={})
    monkeypatch.setattr(displays, "errors", lambda: terminal)
    with pytest.raises(KeyboardInterrupt), shown(Display.AUTO), progress.activity("deploy"):
        progress.update("stack", "CREATE_IN_PROGRESS")
        raise KeyboardInterrupt
    printed = terminal.file.getvalue()  # type: ignore[attr-defined]
    last = printed[printed.rindex("deploy") :]
    assert "failed" in last
    assert "CREATE_IN_PROGRESS" in last


def test_nothing_is_shown_that_nobody_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with shown(Display.NONE):
        demonstrate()
    demonstrate()
    assert capsys.readouterr() == ("", "")


# As the CDK CLI prints them.
EVENTS = """
fraudloop-local-training: start: Building Image/Source
fraudloop-local-training: success: Published Image/Source (current_account-current_region)
s | 0 | 11:14:54 AM | CREATE_IN_PROGRESS | AWS::CloudFormation::Stack | s User Initiated
s | 0/9 | 11:14:54 AM | CREATE_IN_PROGRESS | AWS::KMS::Key | Lake/Key (LakeKey9FEE9968)
s | 1/9 | 11:14:55 AM | CREATE_FAILED | AWS::KMS::Key | Lake/Key (LakeKey9FEE9968) No.
s | 1/9 | 11:14:55 AM | ROLLBACK_COMPLETE | AWS::CloudFormation::Stack | s
"""


def test_resource_events_of_the_cdk_are_followed_and_its_end_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchain, "CDK", Path(__file__))
    program = f"print({EVENTS!r}); raise SystemExit(1)"
    monkeypatch.setattr(toolchain, "_command", lambda _: [sys.executable, "-c", program])
    with (
        shown(Display.JSON),
        pytest.raises(OperationError, match=r"^cdk deploy failed:\n[^$]* No\."),
    ):
        toolchain.cdk(["deploy", "--all"], {})
    updates = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(each["item"], each["state"], each["failed"], each["ended"]) for each in updates] == [
        ("cdk deploy", "began", False, False),
        ("assets", "Building Image/Source", False, False),
        ("assets", "Published Image/Source", False, False),
        ("s", "CREATE_IN_PROGRESS", False, False),
        ("s", "0/9 CREATE_IN_PROGRESS KMS::Key Lake/Key", False, False),
        ("s", "1/9 CREATE_FAILED KMS::Key Lake/Key", True, False),
        ("s", "ROLLBACK_COMPLETE", True, True),
        ("cdk deploy", "failed", True, True),
    ]
