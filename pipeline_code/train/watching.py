"""Sees to it that no host of a training job waits for one that is lost.

XGBoost's collective notices most losses, but it can also wait for ever for a host that died,
whatever its timeout, in code that no exception reaches. So the connections over which the hosts
found each other stay open, and their end is watched.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from pipeline_code.common.exits import report_failure
from pipeline_code.common.peers import Peer

__all__ = ["watched"]

# For XGBoost's own notice of a loss, which says more than that there is one.
GRACE_SECONDS = 30


@contextmanager
def watched(peers: Sequence[Peer], names: Sequence[str]) -> Iterator[None]:
    """Ends the process if another host is lost and the block does not end by itself."""
    ended = threading.Event()

    def watch(peer: Peer) -> None:
        with suppress(RuntimeError, OSError, ValueError):
            if peer.receive().get("done"):
                return
        # In most cases XGBoost notices, and knows more.
        if not ended.wait(GRACE_SECONDS):
            report_failure(
                "train",
                f"all of {', '.join(names)} must stay until the end, got {peer.name} lost; "
                "its log says why",
            )
            # The main thread waits inside of XGBoost.
            os._exit(1)

    for peer in peers:
        threading.Thread(target=watch, args=(peer,), daemon=True).start()
    try:
        yield
        for peer in peers:
            with suppress(RuntimeError):
                peer.send({"done": True})
    finally:
        ended.set()
