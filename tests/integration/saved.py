"""A played environment, saved by the process that played it and brought up again by another."""

import fcntl
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_aws.layout import Layout
from local_aws.server import EmbeddedAws
from local_aws.settings import HOST


def play_or_restore(
    aws: EmbeddedAws, shared: Path, play: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """What the demo said: of the process that comes first, which plays it for the next as well.

    Args:
        aws: This process's own, empty; it runs afterwards, with all that the demo has left.
        shared: A folder of all processes.
        play: Plays the demo on `aws`, and says what it said.
    """
    shared.mkdir(exist_ok=True)
    document, state = shared / "played.json", shared / "state"
    with (shared / "lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not document.exists():
            said = play()
            aws.stop()
            shutil.copytree(aws.state_dir, state, symlinks=True)
            document.write_text(json.dumps({"said": said, "port": aws.port}))
            aws.start()
            return said
        saved = json.loads(document.read_text())
        document.unlink()
        state.rename(aws.state_dir)
    # The addresses of queues have the port of the server that made them.
    for file in Layout(root=aws.state_dir).services.glob("*.json"):
        old, new = (f"http://{HOST}:{port}/" for port in (saved["port"], aws.port))
        file.write_text(file.read_text().replace(old, new))
    aws.start()
    said = saved["said"]
    return dict(said)
