"""Our app's synthesis beside that of an app of one empty stack: same machine, one run.

    python -m benchmarks.synth --rounds 5 --json -

Each in a process of its own, as the CDK CLI starts it, in turns. CPU seconds count the process and
its children, so that the Node.js which jsii starts is in them, whatever else the machine does; peak
memory is the largest process's. Medians of the rounds.

The empty app is as the CDK makes one, with its built-in check of templates: some 2 CPU seconds.
Ours has them checked by `tests/nag` instead, where the same bytes are checked once.

JSON: rounds; cpu_seconds and peak_mib of empty and of each environment; times_NAME (an
environment's CPU over the empty app's) and times_empty, the worst of them.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measuring import add_json, show
from stacks.environments import ENVIRONMENTS

APP = Path(__file__).parents[1] / "app.py"
EMPTY = "empty"
EMPTY_APP = """
import os
import lifecycle
import aws_cdk as cdk
app = cdk.App(outdir=os.environ["CDK_OUTDIR"], analytics_reporting=False)
cdk.Stack(app, "Empty")
app.synth()
"""


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    add_json(parser)
    arguments = parser.parse_args()
    show(_measure(arguments.rounds), arguments.json)


def _measure(rounds: int) -> dict[str, Any]:
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in (EMPTY, *ENVIRONMENTS)}
    for _ in range(rounds):
        for name in ENVIRONMENTS:
            # A busy machine makes CPU seconds longer, and is not busy evenly.
            runs[EMPTY].append(_synthesize(EMPTY))
            runs[name].append(_synthesize(name))
    seconds = {name: median(cpu for cpu, _ in each) for name, each in runs.items()}
    times = {name: round(seconds[name] / seconds[EMPTY], 2) for name in ENVIRONMENTS}
    return {
        "rounds": rounds,
        **{f"{name}_cpu_seconds": round(value, 2) for name, value in seconds.items()},
        **{
            f"{name}_peak_mib": round(median(peak for _, peak in each))
            for name, each in runs.items()
        },
        **{f"times_{name}": value for name, value in times.items()},
        "times_empty": max(times.values()),
    }


def _synthesize(name: str) -> tuple[float, float]:
    """One synthesis: CPU seconds and peak MiB."""
    program = ["-c", EMPTY_APP] if name == EMPTY else [str(APP)]
    with tempfile.TemporaryDirectory(prefix="synth-") as folder, tempfile.TemporaryFile() as said:
        context = json.dumps({"environment": name})
        process = subprocess.Popen(
            [sys.executable, *program],
            env={**os.environ, "CDK_OUTDIR": folder, "CDK_CONTEXT_JSON": context},
            stdout=said,
            stderr=said,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said.seek(0)
            raise SystemExit(f"synthesis of {name} failed; it said:\n{said.read().decode()}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
