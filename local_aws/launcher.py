"""Runs the embedded AWS in this process: `python -m local_aws.launcher --port P --state DIR`."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from local_aws import settings
from local_aws.behaviours import playing, questions
from local_aws.layout import Layout


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM.

    Args:
        arguments: Command line. If omitted, the process's own.
    """
    parser = argparse.ArgumentParser(prog="python -m local_aws.launcher", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="folder that holds all state")
    options = parser.parse_args(arguments)
    # All that it writes, and its jobs do, is its owner's alone: keys, policies and data.
    os.umask(0o077)
    layout = Layout(root=options.state.resolve())
    layout.create()
    if (region := settings.region_of(layout, None)) != settings.REGION:
        parser.error(f"{settings.REGION_VARIABLE} must be {region}, got {settings.REGION}")
    if layout.behaviour.exists():
        playing.begin(questions.read(layout.behaviour))
    with layout.lock():
        layout.clear_temporary()
        serve(layout, options.port)


def serve(layout: Layout, port: int) -> None:
    """Set ministack up for a state folder, extend it and serve."""
    connection = settings.open_connection(layout, port, os.getpid())
    # ministack reads its settings when it is imported, so this comes before the adapter's import.
    os.environ.pop("AWS_SESSION_TOKEN", None)
    os.environ.pop("AWS_PROFILE", None)
    os.environ.update(settings.server_environment(layout, connection))
    connection.write(layout.connection)

    from local_aws import adapter, extensions  # noqa: PLC0415
    from local_aws.containers import confinement  # noqa: PLC0415

    confinement.announce()
    extensions.install(layout, connection)
    adapter.serve(settings.HOST, port, checkpoint_seconds=settings.CHECKPOINT_SECONDS)


if __name__ == "__main__":
    main()
