"""How long `fraudloop` takes before, and while, it says something: CPU seconds of whole processes.

    python -m benchmarks.command --json -

CPU seconds are user's and system's of the process and its children, whatever else the machine does;
the peer is a process that imports Typer, which the command is made of. Medians of the rounds, the
commands in turns. `status` and `models` ask an embedded AWS: that of --state, on which `local` has
to be deployed, or one of the benchmark's own, to which that is deployed first (a minute).

JSON: rounds; NAME_cpu_seconds of typer, help, version, completion, status and models;
NAME_seconds, the time until each ended; times_help, the help's CPU over Typer's.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measuring import add_json, show
from local_aws.server import EmbeddedAws, free_port

COMMAND = [sys.executable, "-m", "operations.cli"]
# What bash asks when somebody presses TAB after `fraudloop sta`.
COMPLETION = {
    "_FRAUDLOOP_COMPLETE": "complete_bash",
    "COMP_WORDS": "fraudloop sta",
    "COMP_CWORD": "1",
}


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--state", type=Path, help="folder of an embedded AWS that runs")
    add_json(parser)
    arguments = parser.parse_args()
    with _deployed(arguments.state) as state:
        show(_measure(arguments.rounds, state), arguments.json)


@contextmanager
def _deployed(state: Path | None) -> Iterator[Path]:
    """The state folder of an embedded AWS with `local` on it."""
    if state is not None:
        yield state
        return
    with (
        tempfile.TemporaryDirectory(prefix="command-") as folder,
        EmbeddedAws(Path(folder, "state"), free_port()) as aws,
    ):
        deploy = [*COMMAND, "deploy", "--state", str(aws.state_dir)]
        subprocess.run(deploy, check=True, stdout=subprocess.DEVNULL)
        yield aws.state_dir


def _measure(rounds: int, state: Path) -> dict[str, Any]:
    commands: dict[str, tuple[list[str], dict[str, str]]] = {
        "typer": ([sys.executable, "-c", "import typer"], {}),
        "help": ([*COMMAND, "--help"], {}),
        "version": ([*COMMAND, "--version"], {}),
        "completion": (COMMAND, COMPLETION),
        "status": ([*COMMAND, "status", "--state", str(state)], {}),
        "models": ([*COMMAND, "models", "--state", str(state)], {}),
    }
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, (command, variables) in commands.items():
            runs[name].append(_run(command, variables))
    cpu = {name: median(each for each, _ in found) for name, found in runs.items()}
    return {
        "rounds": rounds,
        **{f"{name}_cpu_seconds": round(value, 3) for name, value in cpu.items()},
        **{
            f"{name}_seconds": round(median(each for _, each in found), 3)
            for name, found in runs.items()
        },
        "times_help": round(cpu["help"] / cpu["typer"], 2),
    }


def _run(command: list[str], variables: dict[str, str]) -> tuple[float, float]:
    """CPU seconds of one run, and seconds until it ended."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, env={**os.environ, **variables}, stdout=said, stderr=said
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)} failed; it said:\n{said.read().decode()}")
    return usage.ru_utime + usage.ru_stime, seconds


if __name__ == "__main__":
    main()
