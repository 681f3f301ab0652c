"""A pace for calls, so that they take no more than their share of what is allowed."""

import time
from collections.abc import Callable
from threading import Lock

__all__ = ["Pace"]


class Pace:
    """Lets calls through one after another; safe to use from several threads.

    Guarantees:
        Within any `t` seconds it lets through at most `per_second * t + burst` calls.
        A call waits no longer than that demands.

    Args:
        per_second: How many calls there may be a second on average.
        burst: How many at once after a pause; at least 1.
        clock: The time, in seconds.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        per_second: float,
        *,
        burst: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._seconds = 1.0 / per_second
        self._saved = (burst - 1.0) * self._seconds
        self._clock = clock
        self._sleep = sleep
        self._lock = Lock()
        # When the next call would be due if none had ever come early.
        self._due = float("-inf")

    def wait(self) -> None:
        """Returns as soon as the next call may be made."""
        with self._lock:
            now = self._clock()
            due = max(self._due, now)
            self._due = due + self._seconds
        if (pause := due - self._saved - now) > 0:
            self._sleep(pause)
