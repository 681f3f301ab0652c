"""States for requests: from a short-lived cache, else from the online store within a time budget.

Guarantees:
    A caller waits no longer than the budget, whatever the store does. A response that comes later
    still fills the cache.
    Callers who miss the same entity share one read, and what is missed while as many are under way
    as may be goes into one read together: a slow store gets fewer reads, not more of them.
    A store that fails is left alone: after a few failures one read is tried each pause.

All of it runs on one event loop, so nothing here needs a lock.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_code.contracts.environment import variable
from pipeline_code.contracts.serving import LONGEST_CACHE_SECONDS, Reason
from pipeline_code.features.definitions import CUSTOMER, ENTITIES
from pipeline_code.features.state import StateError
from pipeline_code.features.store.online_store import READ_AT_ONCE, StoreError
from pipeline_code.features.store.records import Key, StoredRecord
from pipeline_code.serve.breaker import Breaker
from pipeline_code.serve.reads import StateRead
from pipeline_code.serve.scoring import Found
from pipeline_code.serve.store import StoreReader, Values

__all__ = ["States", "StatesConfig"]

LOGGER = logging.getLogger(__name__)

MOST_CACHED = 10_000
FAILURES_IN_A_ROW = 5
PAUSE_SECONDS = 1.0
# States of longer responses are unpacked in a thread: they take more than about a millisecond.
INLINE_STATES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class StatesConfig:
    """How states are read.

    Args:
        budget_seconds: How long a request waits for the store.
        cache_seconds: How old a state may be; 0 reads anew for each request.
        reads: Reads at a time.
    """

    budget_seconds: float = variable(
        "SERVE_STORE_BUDGET_MILLISECONDS", default=0.5, least=1, most=60_000, scale=0.001
    )
    cache_seconds: float = variable(
        "SERVE_STATE_CACHE_SECONDS", default=1.0, least=0, most=LONGEST_CACHE_SECONDS
    )
    reads: int = variable("SERVE_STORE_READS", default=16, least=1, most=256)


class States:
    """The states of a worker's requests; it belongs to one event loop.

    await States(store, config).read([Key(CUSTOMER, 42), Key(TERMINAL, 77)])
    """

    def __init__(self, store: StoreReader | None, config: StatesConfig) -> None:
        self._store = store
        self._config = config
        self._breaker = Breaker(FAILURES_IN_A_ROW, PAUSE_SECONDS)
        self._cached: dict[Key, tuple[float, Found]] = {}
        # The newest read of each key that is not over, and those that wait for their turn.
        self._reads: dict[Key, StateRead] = {}
        self._queue: deque[StateRead] = deque()
        self._under_way: set[asyncio.Task[None]] = set()

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
        reads = {key: self._read_of(key, fresh=fresh) for key in missing}
        self._ask(loop, self._store)
        deadline = loop.time() + self._config.budget_seconds
        for read in dict.fromkeys(reads.values()):
            await read.wait(loop, deadline)
        found |= {key: read.state(key) for key, read in reads.items()}
        if Reason.STORE_TIMEOUT in found.values():
            self._breaker.failed(loop.time())
            LOGGER.warning("states not read in time", extra={"reason": Reason.STORE_TIMEOUT})
        return found

    async def start(self) -> None:
        """Asks the store for nobody in particular: connects, and finds credentials.

        So that the first request need not, whose budget that could exceed. A failure is not one of
        the server: it is logged.
        """
        if self._store is not None:
            await self._store.start()
            until = asyncio.get_running_loop().time() + self._config.budget_seconds
            await self._fetch(self._store, [Key(entity, 0) for entity in ENTITIES], until)

    async def close(self) -> None:
        """Reads no more."""
        tasks = list(self._under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._store is not None:
            await self._store.close()

    def _read_of(self, key: Key, *, fresh: bool) -> StateRead:
        """The read that brings a key's state, one that others wait for if there is one."""
        read = self._reads.get(key)
        # One under way may have been answered before the caller asked.
        if read is None or (fresh and read.started is not None):
            if not self._queue or len(self._queue[-1].keys) >= READ_AT_ONCE:
                self._queue.append(StateRead())
            read = self._reads[key] = self._queue[-1]
            read.keys[key] = None
        return read

    def _ask(self, loop: asyncio.AbstractEventLoop, store: StoreReader) -> None:
        while self._queue and len(self._under_way) < self._config.reads:
            read = self._queue.popleft()
            if read.is_abandoned:
                self._finish(read)
                continue
            read.started = loop.time()
            task = loop.create_task(self._work(loop, store, read))
            self._under_way.add(task)

    async def _work(
        self, loop: asyncio.AbstractEventLoop, store: StoreReader, read: StateRead
    ) -> None:
        found, started = None, loop.time()
        until = started + self._config.budget_seconds
        try:
            found = await self._fetch(store, list(read.keys), until)
        except Exception:
            # A request never fails for lack of state, not even by a defect here.
            LOGGER.exception("states not read")
        now = loop.time()
        if found is not None and now <= until:
            self._breaker.succeeded()
        else:
            self._breaker.failed(now)
        for key, state in (found or {}).items():
            self._remember(key, state, now)
        read.found = found
        self._finish(read)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this is one
        self._under_way.discard(task)
        self._ask(loop, store)

    def _finish(self, read: StateRead) -> None:
        for key in read.keys:
            if self._reads.get(key) is read:
                del self._reads[key]
        read.finish()

    def _remember(self, key: Key, state: Found, now: float) -> None:
        if self._config.cache_seconds == 0:
            return
        # The dictionary's order is that of reading, so the first ones are the oldest.
        self._cached.pop(key, None)
        while len(self._cached) >= MOST_CACHED:
            del self._cached[next(iter(self._cached))]
        self._cached[key] = now + self._config.cache_seconds, state

    async def _fetch(
        self, store: StoreReader, keys: Sequence[Key], until: float
    ) -> dict[Key, Found] | None:
        """What the store has; None if it does not answer."""
        try:
            records = await store.read(keys, until)
        except (BotoCoreError, ClientError, StoreError) as error:
            # The text of the error may name a customer, so only its kind is logged.
            LOGGER.warning("states not read", extra={"reason": _kind(error)})
            return None
        if len(records) > INLINE_STATES:
            return await asyncio.to_thread(_states, keys, records)
        return _states(keys, records)


def _states(keys: Sequence[Key], records: Mapping[Key, Values]) -> dict[Key, Found]:
    return {key: _found(key, records.get(key)) for key in keys}


def _found(key: Key, values: Values | None) -> Found:
    if values is None:
        is_customer = key.entity == CUSTOMER
        return Reason.CUSTOMER_UNKNOWN if is_customer else Reason.TERMINAL_UNKNOWN
    try:
        return StoredRecord.parse(key, values).state()
    except StateError:
        LOGGER.warning("state not readable", extra={"reason": "StateError"})
        return Reason.STATE_UNREADABLE


def _kind(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "ClientError"))
    return type(error).__name__
