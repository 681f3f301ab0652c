"""One read of the online store, and the requests that wait for it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline_code.contracts.serving import Reason
from pipeline_code.features.store.records import Key
from pipeline_code.serve.scoring import Found

__all__ = ["StateRead"]


@dataclass(slots=True, eq=False)
class StateRead:
    """A read of several states, waiting for its turn or under way; used on the event loop only.

    Attributes:
        keys: What it asks the store about, in order.
        started: When the store was asked; None before that.
        found: What it brought; None before, and if the store did not answer.
        is_over: Whether the store answered or failed.
    """

    keys: dict[Key, None] = field(default_factory=dict)
    started: float | None = None
    found: Mapping[Key, Found] | None = None
    is_over: bool = False
    _waiters: list[asyncio.Future[None]] = field(default_factory=list)

    @property
    def is_abandoned(self) -> bool:
        """Whether the budget of everybody who waited is over."""
        return bool(self._waiters) and all(waiter.done() for waiter in self._waiters)

    def state(self, key: Key) -> Found:
        """What a request gets that waits no longer."""
        if not self.is_over:
            return Reason.STORE_TIMEOUT
        return (self.found or {}).get(key, Reason.STORE_UNAVAILABLE)

    def finish(self) -> None:
        """Lets everybody go on who waits."""
        self.is_over = True
        for waiter in self._waiters:
            _release(waiter)

    async def wait(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        """Waits until it is over or the deadline is.

        A future of its own and a timer: asyncio.wait and a task for the read would take the event
        loop two more rounds.
        """
        if self.is_over:
            return
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.append(waiter)
        timer = loop.call_at(deadline, _release, waiter)
        try:
            await waiter
        finally:
            timer.cancel()


def _release(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
