"""Waiting for what AWS does by itself: how often to look."""

import math
import time
from collections.abc import Iterator

__all__ = ["looks"]

_SHORTEST_PAUSE = 0.1
_LONGEST_PAUSE = 10.0
# Of the time so far: nobody waits for a twentieth longer than it takes.
_PAUSE_SHARE = 0.05


def looks(limit_seconds: float = math.inf) -> Iterator[None]:
    """Turns to look, ever less often: ten in the first second, one every ten seconds later.

    A laptop is done soon, and APIs that allow few calls a second are not asked more in hours.

    Args:
        limit_seconds: After so many there is one last turn. If omitted, turns never end.
    """
    begun = time.monotonic()
    while True:
        yield
        passed = time.monotonic() - begun
        if passed >= limit_seconds:
            return
        pause = min(max(_PAUSE_SHARE * passed, _SHORTEST_PAUSE), _LONGEST_PAUSE)
        time.sleep(min(pause, limit_seconds - passed))
