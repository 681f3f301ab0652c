"""Rates that are held to: a token bucket."""

import time
from collections.abc import Callable

# Guess.BURSTS: AWS documents none of the APIs that have a rate here.
_BURST_SECONDS = 1.0


class Bucket:
    """Tokens that come in at a rate, up to a second's worth; who takes one that is not there waits.

    It is full at first. A rate of 0 gives nothing, ever. Used by one thread, or on the event loop.

    Args:
        rate: Tokens a second.
        clock: Seconds that only go on.
    """

    __slots__ = ("_at", "_clock", "_rate", "_tokens", "burst")

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        # Slower than one a second is one whole token now and then.
        self.burst = max(rate * _BURST_SECONDS, 1.0) if rate > 0 else 0.0
        self._clock = clock
        self._tokens, self._at = self.burst, clock()

    def has(self, count: float = 1.0) -> bool:
        """Whether there are so many tokens."""
        now = self._clock()
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        return self._tokens >= count

    def take(self, count: float = 1.0) -> bool:
        """Take tokens, all or none of them; whether they were there."""
        if not self.has(count):
            return False
        self._tokens -= count
        return True
