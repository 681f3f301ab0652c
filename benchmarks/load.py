"""Constant load on a server by wrk, a generator that costs less than what it measures."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Load", "Target", "require_wrk", "run"]

SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is asked: a server's port, and the bodies of requests to /invocations, in turn."""

    port: int
    content_type: str
    bodies: Sequence[bytes]
    attributes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What wrk saw; microseconds."""

    per_second: float
    p50: float
    p99: float


def require_wrk() -> None:
    """Ends the program, with a reason, where there is no wrk."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk must be installed, got none; install the package wrk (Debian's name)")


def run(target: Target, *, connections: int, seconds: float, folder: Path) -> Load:
    """Loads a server for some seconds; raises RuntimeError if one request failed.

    Args:
        target: What is asked.
        connections: Each has one request under way at any time.
        seconds: For how long; whole ones.
        folder: Where the bodies are put.
    """
    file = folder / "bodies"
    lines = [body.decode().replace("\n", "\\n") for body in target.bodies]
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    command = [
        *("wrk", "--threads", "1", "--connections", str(connections)),
        *("--duration", f"{seconds:.0f}s", "--timeout", "30s", "--script", str(SCRIPT)),
        f"http://127.0.0.1:{target.port}",
        *("--", target.content_type, target.attributes, str(file)),
    ]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = json.loads(said.splitlines()[-1])
    if found["errors"] or not found["requests"]:
        raise RuntimeError(f"every request must succeed, got {found}")
    return Load(per_second=found["requests"] / found["seconds"], p50=found["p50"], p99=found["p99"])
