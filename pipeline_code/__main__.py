"""Runs one entry point of the image: `python -m pipeline_code <entry> [arguments]`.

Each entry is a package `pipeline_code/<entry>/` whose `entry.py` has `main(argv) -> int`. It is
imported only when asked for, so that a data check does not load XGBoost.

Exit codes: 0 done; 1 the entry failed, the reason is on stderr and where SageMaker reads it
(`output/message`, for training `output/failure`); 2 no such entry; 143 ended by SIGTERM.
"""

import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from types import FrameType

from pipeline_code.common.exits import BadInput, report_failure

ENTRIES = (
    "simulate",
    "check",
    "features",
    "train",
    "evaluate",
    "serve",
    "batch",
    "labels",
    "monitor",
    "parity",
)


def main(argv: Sequence[str]) -> int:
    """Runs the entry that `argv` names with the arguments after it."""
    if not argv or argv[0] not in ENTRIES:
        got = argv[0] if argv else "nothing"
        print(f"entry must be one of {', '.join(ENTRIES)}, got {got}", file=sys.stderr)
        return 2
    entry, arguments = argv[0], argv[1:]
    try:
        return _entry_main(entry)(arguments)
    except BadInput as error:
        report_failure(entry, str(error))
    except Exception as error:
        traceback.print_exc()
        report_failure(entry, f"{type(error).__name__}: {error}")
    return 1


def _entry_main(entry: str) -> Callable[[Sequence[str]], int]:
    module = importlib.import_module(f"pipeline_code.{entry}.entry")
    run: Callable[[Sequence[str]], int] = module.main
    return run


def _end(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    # In a container this is process 1, which no signal ends without a handler (pid_namespaces(7));
    # the server, and training for its checkpoints, put their own in its place.
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main(sys.argv[1:]))
