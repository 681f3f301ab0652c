"""The demo in small, played once for all integration tests and left running for them."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local_aws.server import EmbeddedAws, free_port
from operations.target import PROJECT_ROOT, Target, connect

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True)
class Played:
    """A finished demo whose embedded AWS still runs."""

    result: dict[str, Any]
    output: str
    exit_code: int
    state: Path
    target: Target


@pytest.fixture(scope="session")
def fraudloop() -> Command:
    """Runs the command as a user does."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "operations.cli", *arguments],
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory, fraudloop: Command) -> Iterator[Played]:
    folder = tmp_path_factory.mktemp("loop")
    state, report, port = folder / "state", folder / "demo.json", free_port()
    options = ["--customers", "120", "--keep", "--port", str(port), "--state", str(state)]
    try:
        done = fraudloop("demo", *options, "--json", str(report))
        assert report.exists(), done.stdout + done.stderr
        yield Played(
            result=json.loads(report.read_text()),
            output=done.stdout + done.stderr,
            exit_code=done.returncode,
            state=state,
            target=connect("local", profile=None, region=None, state=state),
        )
    finally:
        EmbeddedAws(state, port).wipe()
