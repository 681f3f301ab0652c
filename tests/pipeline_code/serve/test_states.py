"""States for requests: cached, shared, within the budget, and a store that fails left alone."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import numpy as np
import pytest

from pipeline_code.contracts.serving import Reason
from pipeline_code.features.definitions import CUSTOMER, TERMINAL
from pipeline_code.features.state import EntityState, events_of
from pipeline_code.features.store.records import Key
from pipeline_code.serve import states as states_module
from pipeline_code.serve.breaker import Breaker
from pipeline_code.serve.connections import TRIES
from pipeline_code.serve.states import States, StatesConfig

from .conftest import GROUPS, Store, reader

Work = Callable[[States], Coroutine[Any, Any, None]]
PATIENT = 30.0
KNOWN, OTHER, TERMINAL_KEY = Key(CUSTOMER, 1), Key(CUSTOMER, 2), Key(TERMINAL, 1)


@pytest.fixture
def filled(store: Store) -> Iterator[Store]:
    """Customers 1 and 2 and terminal 1 are known."""
    for key in (KNOWN, OTHER, TERMINAL_KEY):
        event = events_of(np.array([key.id]), np.array([key.id]), np.array([100]))
        store.put(key.entity.name, key.id, EntityState(key.entity).fold(event))
    yield store
    store.records.clear()


@pytest.fixture
def run(running_store: Store) -> Callable[..., None]:
    def run_one(work: Work, **config: Any) -> None:
        async def main() -> None:
            settings = StatesConfig(**{"budget_seconds": PATIENT, "cache_seconds": 3.0} | config)
            states = States(reader(running_store.url, timeout_seconds=PATIENT), settings)
            await states.start()
            running_store.reset_calls()
            try:
                await work(states)
            finally:
                await states.close()

        asyncio.run(main())

    return run_one


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENT):
        while not condition():
            await asyncio.sleep(0.005)


def test_what_was_read_is_known_for_a_while(run: Callable[..., None], filled: Store) -> None:
    async def work(states: States) -> None:
        keys = [KNOWN, TERMINAL_KEY, Key(CUSTOMER, 9), Key(TERMINAL, 9)]
        assert states.known(keys) is None
        first = await states.read(keys)
        assert isinstance(first[KNOWN], EntityState)
        assert isinstance(first[TERMINAL_KEY], EntityState)
        assert first[Key(CUSTOMER, 9)] is Reason.CUSTOMER_UNKNOWN
        assert first[Key(TERMINAL, 9)] is Reason.TERMINAL_UNKNOWN
        assert states.known(keys) == first
        assert await states.read(keys) == first
        assert filled.calls == len(keys)
        assert states.known([KNOWN, OTHER]) is None
        await states.read([KNOWN, OTHER])
        assert filled.calls == len(keys) + 1

    run(work)


def test_what_was_read_is_forgotten_after_a_while(run: Callable[..., None], filled: Store) -> None:
    async def work(states: States) -> None:
        await states.read([KNOWN])
        await until(lambda: states.known([KNOWN]) is None)
        await states.read([KNOWN])
        assert filled.calls == 2

    run(work, cache_seconds=0.05)


def test_without_a_cache_every_request_reads(run: Callable[..., None], filled: Store) -> None:
    async def work(states: States) -> None:
        for _ in range(3):
            await states.read([KNOWN])
            assert states.known([KNOWN]) is None
        assert filled.calls == 3

    run(work, cache_seconds=0)


def test_a_caller_may_ask_for_fresh_states(run: Callable[..., None], filled: Store) -> None:
    async def work(states: States) -> None:
        before = await states.read([KNOWN])
        event = events_of(np.array([5]), np.array([5]), np.array([700]))
        filled.put("customer", 1, EntityState(CUSTOMER).fold(event))
        assert await states.read([KNOWN]) == before
        fresh = (await states.read([KNOWN], fresh=True))[KNOWN]
        assert isinstance(fresh, EntityState)
        assert fresh.newest == 5
        # A read that was under way may have been answered too early.
        filled.proceed.clear()
        filled.entered.clear()
        slow = asyncio.ensure_future(states.read([OTHER]))
        await until(filled.entered.is_set)
        another = asyncio.ensure_future(states.read([OTHER], fresh=True))
        await until(lambda: filled.calls == 4)
        filled.proceed.set()
        await asyncio.gather(slow, another)

    run(work)


def test_who_misses_the_same_entity_shares_a_read(run: Callable[..., None], filled: Store) -> None:
    async def work(states: States) -> None:
        filled.proceed.clear()
        asking = [asyncio.ensure_future(states.read([KNOWN])) for _ in range(40)]
        await until(filled.entered.is_set)
        asking += [asyncio.ensure_future(states.read([KNOWN])) for _ in range(40)]
        await asyncio.sleep(0)
        filled.proceed.set()
        found = await asyncio.gather(*asking)
        assert all(each[KNOWN] is found[0][KNOWN] for each in found)
        assert filled.calls == 1

    run(work, cache_seconds=0)


def test_what_waits_for_its_turn_goes_into_one_read(run: Callable[..., None], store: Store) -> None:
    async def work(states: States) -> None:
        store.proceed.clear()
        asking = [asyncio.ensure_future(states.read([KNOWN]))]
        await until(store.entered.is_set)
        for id_ in range(100, 250):
            asking.append(asyncio.ensure_future(states.read([Key(CUSTOMER, id_)])))
        await asyncio.sleep(0)
        store.proceed.set()
        await asyncio.gather(*asking)
        assert store.calls == 3

    run(work, reads=1)


def test_a_late_answer_is_dropped_and_remembered(run: Callable[..., None], filled: Store) -> None:
    async def work(states: States) -> None:
        filled.proceed.clear()
        assert await states.read([KNOWN]) == {KNOWN: Reason.STORE_TIMEOUT}
        filled.proceed.set()
        await until(lambda: states.known([KNOWN]) is not None)
        assert isinstance((states.known([KNOWN]) or {})[KNOWN], EntityState)

    run(work, budget_seconds=0.05)


def test_what_is_known_is_used_though_the_rest_is_late(
    run: Callable[..., None], filled: Store
) -> None:
    async def work(states: States) -> None:
        await states.read([KNOWN])
        filled.proceed.clear()
        found = await states.read([KNOWN, TERMINAL_KEY])
        assert isinstance(found[KNOWN], EntityState)
        assert found[TERMINAL_KEY] is Reason.STORE_TIMEOUT
        filled.proceed.set()

    run(work, budget_seconds=0.2)


def test_a_store_that_hangs_gets_no_more_reads_than_it_may(
    run: Callable[..., None], store: Store
) -> None:
    async def work(states: States) -> None:
        store.proceed.clear()
        keys = [Key(CUSTOMER, id_) for id_ in range(60)]
        found = await asyncio.gather(*(states.read([key]) for key in keys))
        assert all(
            each == {key: Reason.STORE_TIMEOUT} for each, key in zip(found, keys, strict=True)
        )
        assert await states.read([KNOWN]) == {KNOWN: Reason.STORE_UNAVAILABLE}
        store.proceed.set()
        await until(lambda: states.known(keys[:2]) is not None)
        # Those whose budget was over before it was their turn are not asked about at all.
        assert store.calls == 2

    run(work, budget_seconds=0.1, reads=2)


def test_a_store_that_fails_is_left_alone_and_tried_again(
    run: Callable[..., None], filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states_module, "PAUSE_SECONDS", 0.2)

    async def work(states: States) -> None:
        filled.status = 500
        for _ in range(30):
            assert await states.read([KNOWN]) == {KNOWN: Reason.STORE_UNAVAILABLE}
        assert filled.calls == states_module.FAILURES_IN_A_ROW * TRIES
        filled.status = 200
        async with asyncio.timeout(PATIENT):
            while (await states.read([KNOWN]))[KNOWN] is Reason.STORE_UNAVAILABLE:
                await asyncio.sleep(0.01)
        assert filled.calls == states_module.FAILURES_IN_A_ROW * TRIES + 1

    run(work)


def test_the_cache_keeps_the_newest(
    run: Callable[..., None], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states_module, "MOST_CACHED", 5)

    async def work(states: States) -> None:
        keys = [Key(CUSTOMER, id_) for id_ in range(12)]
        for key in keys:
            await states.read([key])
        assert states.known(keys[-5:]) is not None
        assert all(states.known([key]) is None for key in keys[:-5])

    run(work)


def test_a_damaged_state_spoils_no_other(run: Callable[..., None], filled: Store) -> None:
    filled.records[GROUPS["customer"], "1"]["state"] = "AAAA"
    filled.records[GROUPS["customer"], "2"]["event_time"] = "yesterday"

    async def work(states: States) -> None:
        found = await states.read([KNOWN, OTHER, TERMINAL_KEY])
        assert found[KNOWN] is Reason.STATE_UNREADABLE
        assert found[OTHER] is Reason.STATE_UNREADABLE
        assert isinstance(found[TERMINAL_KEY], EntityState)

    run(work)


def test_the_states_of_a_long_answer_are_the_same(run: Callable[..., None], store: Store) -> None:
    keys = [Key(CUSTOMER, id_) for id_ in range(2 * states_module.INLINE_STATES)]
    for key in keys[1:]:
        event = events_of(np.array([key.id]), np.array([key.id]), np.array([100]))
        store.put("customer", key.id, EntityState(CUSTOMER).fold(event))
    store.records[GROUPS["customer"], "1"]["state"] = "AAAA"

    async def work(states: States) -> None:
        found = await states.read(keys)
        assert found[keys[0]] is Reason.CUSTOMER_UNKNOWN
        assert found[keys[1]] is Reason.STATE_UNREADABLE
        assert [getattr(found[key], "newest", None) for key in keys[2:]] == [
            key.id for key in keys[2:]
        ]
        assert store.calls == 1

    run(work)
    store.records.clear()


def test_what_is_under_way_at_the_end_is_let_go(
    run: Callable[..., None], filled: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(states: States) -> None:
        filled.proceed.clear()
        assert await states.read([KNOWN]) == {KNOWN: Reason.STORE_TIMEOUT}

    run(work, budget_seconds=0.05)
    assert [message for message in caplog.messages if message != "states not read in time"] == []


def test_a_breaker_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker(3, 10.0)
    for now in (0.0, 1.0):
        breaker.failed(now)
    breaker.succeeded()
    for now in (2.0, 3.0):
        breaker.failed(now)
    assert breaker.allows(3.0)
    breaker.failed(4.0)
    assert not breaker.allows(13.9)
    # One try, and no other before another pause, unless it succeeds.
    assert breaker.allows(14.0)
    assert not breaker.allows(23.9)
    breaker.succeeded()
    assert breaker.allows(14.1)
