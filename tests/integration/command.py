"""The `fraudloop` command as a user runs it, and the demo that a test session plays with it."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from operations.target import PROJECT_ROOT, Target


def fraudloop(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "operations.cli", *arguments],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@dataclass(frozen=True)
class Played:
    """A finished demo whose embedded AWS still runs."""

    result: dict[str, Any]
    output: str
    exit_code: int
    state: Path
    target: Target
