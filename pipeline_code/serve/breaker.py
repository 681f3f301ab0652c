"""Leaves a failing service alone for a while."""

__all__ = ["Breaker"]


class Breaker:
    """Opens after several failures in a row; then lets a single try through from time to time.

    Args:
        failures: How many in a row open it.
        pause_seconds: How long it stays open before the next try.
    """

    def __init__(self, failures: int, pause_seconds: float) -> None:
        self._limit = failures
        self._pause = pause_seconds
        self._failures = 0
        self._next_try = 0.0

    def allows(self, now: float) -> bool:
        """Whether to ask the service; if it was open, the next try waits another pause."""
        if self._failures < self._limit:
            return True
        if now < self._next_try:
            return False
        self._next_try = now + self._pause
        return True

    def succeeded(self) -> None:
        """The service answered in time."""
        self._failures = 0

    def failed(self, now: float) -> None:
        """It did not."""
        self._failures += 1
        self._next_try = now + self._pause
