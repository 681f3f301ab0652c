"""Synthesizes every environment below a folder; run as a process of its own.

    python synthesize.py FOLDER [--offline]

Findings do not stop it: they are in each assembly's validation-report.json. With `--offline` a
socket that is opened is an error.
"""

import socket
import sys
from pathlib import Path
from typing import Any


def refuse_sockets() -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("synthesis opened a socket")

    socket.socket.connect = refuse  # type: ignore[method-assign]
    socket.getaddrinfo = refuse  # type: ignore[assignment]


def main(folder: Path, *, offline: bool) -> None:
    if offline:
        refuse_sockets()
    from app import build_app  # noqa: PLC0415  # after the sockets are shut
    from stacks.environments import ENVIRONMENTS  # noqa: PLC0415

    for name in ENVIRONMENTS:
        app = build_app(name, outdir=str(folder / name))
        try:
            app.synth()
        except RuntimeError as error:
            if "Validation failed" not in str(error):
                raise


if __name__ == "__main__":
    main(Path(sys.argv[1]), offline="--offline" in sys.argv)
