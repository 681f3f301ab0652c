"""States for requests: from a short-lived cache, else from the online store within a time budget.

Guarantees:
    A caller waits no longer than the budget, whatever the store does. An answer that comes later
    still fills the cache.
    Callers who miss the same entity share one read, and what is missed while all threads wait for
    the store goes into one read together: a slow store gets fewer reads, not more threads.
    A store that fails is left alone: after a few failures one read is tried each pause.

All but `_fetch` runs on the event loop, so nothing here needs a lock.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from time import monotonic

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_code.features.definitions import CUSTOMER
from pipeline_code.features.online_store import READ_AT_ONCE, OnlineStore, StoreError
from pipeline_code.features.records import Key, StoredRecord
from pipeline_code.features.state import StateError
from pipeline_code.serve.breaker import Breaker
from pipeline_code.serve.contract import Reason
from pipeline_code.serve.scoring import Found

__all__ = ["States", "StatesConfig"]

LOGGER = logging.getLogger(__name__)

MOST_CACHED = 10_000
FAILURES_IN_A_ROW = 5
PAUSE_SECONDS = 1.0

Waiting = asyncio.Future[Found]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatesConfig:
    """How states are read.

    Args:
        budget_seconds: How long a request waits for the store.
        cache_seconds: How old a state may be; 0 reads anew for each request.
        threads: Reads at a time.
    """

    budget_seconds: float = 0.5
    cache_seconds: float = 1.0
    threads: int = 16


@dataclass(slots=True)
class _Read:
    """A read under way."""

    keys: Mapping[Key, Waiting]
    started: float


class States:
    """The states of a worker's requests; it belongs to one event loop.

    await States(store, config).read([Key(CUSTOMER, 42), Key(TERMINAL, 77)])
    """

    def __init__(self, store: OnlineStore | None, config: StatesConfig) -> None:
        self._store = store
        self._config = config
        self._breaker = Breaker(FAILURES_IN_A_ROW, PAUSE_SECONDS)
        self._cached: dict[Key, tuple[float, Found]] = {}
        self._queued: dict[Key, Waiting] = {}
        self._asked: dict[Key, Waiting] = {}
        self._reads = 0
        self._threads = ThreadPoolExecutor(config.threads, thread_name_prefix="store")

    def known(self, keys: Iterable[Key]) -> dict[Key, Found] | None:
        """The states, if none of them has to be read."""
        now = monotonic()  # the event loop's clock
        found: dict[Key, Found] = {}
        for key in keys:
            entry = self._cached.get(key)
            if entry is None or entry[0] <= now:
                return None
            found[key] = entry[1]
        return found

    async def read(self, keys: Iterable[Key], *, fresh: bool = False) -> dict[Key, Found]:
        """The state of each key, or why there is none.

        Args:
            keys: Customers and terminals.
            fresh: Whether the store is asked from now on, whatever the cache has.
        """
        loop = asyncio.get_running_loop()
        wanted = list(dict.fromkeys(keys))
        found: dict[Key, Found] = {}
        for key in () if fresh else wanted:
            entry = self._cached.get(key)
            if entry is not None and entry[0] > loop.time():
                found[key] = entry[1]
        missing = [key for key in wanted if key not in found]
        if self._store is None or not (missing and self._breaker.allows(loop.time())):
            return found | dict.fromkeys(missing, Reason.STORE_UNAVAILABLE)
        waiting = {key: self._waiting(loop, key, fresh=fresh) for key in missing}
        self._ask(loop)
        await asyncio.wait(waiting.values(), timeout=self._config.budget_seconds)
        return found | self._within_budget(loop, waiting)

    def warm_up(self) -> None:
        """Asks the store for nobody in particular: connects, and fetches credentials.

        So that the first request need not, whose budget that could exceed. A failure is not one of
        the server: it is logged.
        """
        if self._store is not None:
            self._fetch([Key(CUSTOMER, 0)])

    def _waiting(self, loop: asyncio.AbstractEventLoop, key: Key, *, fresh: bool) -> Waiting:
        """What tells the key's state once it was read, by a read under way if there is one."""
        if key in self._queued:
            return self._queued[key]
        # A read under way may have been answered before the caller asked.
        if key in self._asked and not fresh:
            return self._asked[key]
        self._queued[key] = loop.create_future()
        return self._queued[key]

    def _ask(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._queued and self._reads < self._config.threads:
            keys = list(islice(self._queued, READ_AT_ONCE))
            read = _Read({key: self._queued.pop(key) for key in keys}, loop.time())
            self._asked |= read.keys
            self._reads += 1
            task = loop.run_in_executor(self._threads, self._fetch, keys)
            task.add_done_callback(partial(self._answered, read))

    def _answered(self, read: _Read, task: asyncio.Future[dict[Key, Found] | None]) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._reads -= 1
        found = _result(task)
        if found is None or now - read.started > self._config.budget_seconds:
            self._breaker.failed(now)
        else:
            self._breaker.succeeded()
        for key, waiting in read.keys.items():
            if self._asked.get(key) is waiting:
                del self._asked[key]
            state = None if found is None else found.get(key)
            if state is not None:
                self._remember(key, state, now)
            if not waiting.done():
                waiting.set_result(Reason.STORE_UNAVAILABLE if state is None else state)
        self._ask(loop)

    def _within_budget(
        self, loop: asyncio.AbstractEventLoop, waiting: Mapping[Key, Waiting]
    ) -> dict[Key, Found]:
        late = [key for key, state in waiting.items() if not state.done()]
        for key in late:
            # Nobody asks the store any more for what came too late to be asked.
            if self._queued.get(key) is waiting[key]:
                self._queued.pop(key).set_result(Reason.STORE_TIMEOUT)
        if late:
            self._breaker.failed(loop.time())
            LOGGER.warning("states not read in time", extra={"reason": Reason.STORE_TIMEOUT})
        return {
            key: state.result() if state.done() else Reason.STORE_TIMEOUT
            for key, state in waiting.items()
        }

    def _remember(self, key: Key, state: Found, now: float) -> None:
        if self._config.cache_seconds == 0:
            return
        # The dictionary's order is that of reading, so the first ones are the oldest.
        self._cached.pop(key, None)
        while len(self._cached) >= MOST_CACHED:
            del self._cached[next(iter(self._cached))]
        self._cached[key] = now + self._config.cache_seconds, state

    def _fetch(self, keys: Sequence[Key]) -> dict[Key, Found] | None:
        """What the store has; None if it does not answer. Runs in a thread."""
        assert self._store is not None  # noqa: S101 - `read` refuses before
        try:
            records = self._store.read(keys)
        except (BotoCoreError, ClientError, StoreError) as error:
            # The text of the error may name a customer, so only its kind is logged.
            LOGGER.warning("states not read", extra={"reason": _kind(error)})
            return None
        except StateError:
            if len(keys) > 1:  # one bad record shall not spoil the others
                parts = [self._fetch([key]) for key in keys]
                return {k: state for part in parts if part for k, state in part.items()}
            LOGGER.warning("state not readable", extra={"reason": "StateError"})
            return dict.fromkeys(keys, Reason.STATE_UNREADABLE)
        return {key: _found(key, records.get(key)) for key in keys}


def _result(task: asyncio.Future[dict[Key, Found] | None]) -> dict[Key, Found] | None:
    error = task.exception()
    if error is None:
        return task.result()
    # A request never fails for lack of state, not even by a defect here.
    LOGGER.error("states not read", exc_info=error)
    return None


def _found(key: Key, record: StoredRecord | None) -> Found:
    if record is None:
        is_customer = key.entity == CUSTOMER
        return Reason.CUSTOMER_UNKNOWN if is_customer else Reason.TERMINAL_UNKNOWN
    try:
        return record.state()
    except StateError:
        LOGGER.warning("state not readable", extra={"reason": "StateError"})
        return Reason.STATE_UNREADABLE


def _kind(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "ClientError"))
    return type(error).__name__
