"""Synthesizes every environment below a folder; run as a process of its own.

    python synthesize.py FOLDER [--offline]

Findings do not stop it: they are in each assembly's validation-report.json. With `--offline` a
socket that is opened is an error, and cdk-nag alone looks for findings.
"""

import socket
import sys
from functools import cache
from pathlib import Path
from typing import Any


def refuse_sockets() -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("synthesis opened a socket")

    socket.socket.connect = refuse  # type: ignore[method-assign]
    socket.getaddrinfo = refuse  # type: ignore[assignment]


@cache
def rules() -> Any:
    """CloudFormation's own: an engine that takes a second to start."""
    import aws_cdk as cdk  # noqa: PLC0415  # after the sockets are shut

    return cdk.CloudFormationValidatePlugin()


def validate(app: Any) -> None:
    """Have the templates checked by CloudFormation's own rules too, when the app is synthesized."""
    import aws_cdk as cdk  # noqa: PLC0415  # after the sockets are shut

    cdk.Validations.of(app).add_plugins(rules())


def main(folder: Path, *, offline: bool) -> None:
    if offline:
        refuse_sockets()
    from app import build_app  # noqa: PLC0415  # after the sockets are shut
    from stacks.environments import ENVIRONMENTS  # noqa: PLC0415

    for name in ENVIRONMENTS:
        app = build_app(name, outdir=str(folder / name))
        if not offline:  # the twin's bytes are the same, so that one of the two is enough
            validate(app)
        try:
            app.synth()
        except RuntimeError as error:
            if "ValidationFailed" not in str(error):
                raise


if __name__ == "__main__":
    main(Path(sys.argv[1]), offline="--offline" in sys.argv)
