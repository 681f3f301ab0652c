"""Stored states: order-free, duplicate-safe, bounded, and never misread."""

import base64
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_code.features import state as state_module
from pipeline_code.features.definitions import CUSTOMER, ENTITIES, TERMINAL, Entity, horizon
from pipeline_code.features.kernel import microseconds
from pipeline_code.features.state import EntityState, StateTooLargeError
from pipeline_code.features.state_text import HEADER, StateError
from tests.pipeline_code.features.small_streams import DAY, START, unhurried

# (kind, id, time in hours, amount)
Event = tuple[str, int, int, int]
events = st.lists(
    st.tuples(
        st.sampled_from(["transaction", "report"]),
        st.integers(0, 12),
        st.integers(0, 24 * 45),
        st.integers(0, 5),
    ),
    max_size=14,
)


def folded(state: EntityState, part: list[Event]) -> EntityState:
    def column(kind: str, place: int) -> np.ndarray:
        return np.array([event[place] for event in part if event[0] == kind], np.int64)

    return state.fold(
        ids=column("transaction", 1),
        times=START + column("transaction", 2) * (DAY // 24),
        amounts=column("transaction", 3),
        report_ids=column("report", 1),
        report_times=START + column("report", 2) * (DAY // 24),
    )


def without_conflicts(drawn: list[Event]) -> list[Event]:
    """An id has one transaction and one report; what is sent again is sent unchanged."""
    first = {(event[0], event[1]): event for event in reversed(drawn)}
    return [first[(event[0], event[1])] for event in drawn]


@unhurried
@given(events, st.randoms(use_true_random=False), st.sampled_from(ENTITIES))
def test_any_order_and_any_batches_leave_the_same_state(
    drawn: list[Event], random: object, entity: Entity
) -> None:
    all_events = without_conflicts(drawn)
    shuffled = list(all_events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    at_once = folded(EntityState.empty(entity), all_events)
    one_by_one = EntityState.empty(entity)
    for event in shuffled:
        text = one_by_one.encode("test")
        one_by_one = folded(EntityState.decode(entity, text, "test"), [event])
    assert one_by_one.encode("test") == at_once.encode("test")


@unhurried
@given(events, st.sampled_from(ENTITIES))
def test_a_repeated_event_changes_nothing(drawn: list[Event], entity: Entity) -> None:
    state = folded(EntityState.empty(entity), without_conflicts(drawn))
    again = folded(state, without_conflicts(drawn))
    assert again.encode("test") == state.encode("test")


@unhurried
@given(events, st.sampled_from(ENTITIES))
def test_text_reads_back(drawn: list[Event], entity: Entity) -> None:
    state = folded(EntityState.empty(entity), drawn)
    read = EntityState.decode(entity, state.encode("test"), "test")
    for name in ("newest", "ids", "times", "amounts", "report_ids", "report_times"):
        assert np.array_equal(getattr(read, name), getattr(state, name)), name


def test_of_two_reports_the_earlier_counts() -> None:
    late, early = ("report", 1, 50, 0), ("report", 1, 20, 0)
    for order in ([late, early], [early, late]):
        state = EntityState.empty(TERMINAL)
        for event in order:
            state = folded(state, [event])
        assert state.report_times.tolist() == [START + 20 * (DAY // 24)]


@pytest.mark.parametrize("entity", ENTITIES)
def test_what_is_older_than_the_horizon_is_dropped(entity: Entity) -> None:
    reach = microseconds(horizon(entity))
    times = np.array([START - reach - 1, START - reach, START], np.int64)
    state = EntityState.empty(entity).fold(
        ids=np.array([1, 2, 3]), times=times, amounts=np.zeros(3, np.int64)
    )
    assert state.ids.tolist() == [2, 3]
    late = state.fold(ids=np.array([1]), times=times[:1], amounts=np.zeros(1, np.int64))
    assert late.ids.tolist() == [2, 3]


def test_a_busy_day_stays_small_and_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    count = 5_000
    busy = EntityState.empty(CUSTOMER).fold(
        ids=np.arange(count) * 977 + 10**15,
        times=START + np.sort(random.integers(0, 30 * DAY, count)),
        amounts=random.integers(0, 10**6, count),
    )
    text = busy.encode("customer 7")
    assert len(text) < 20 * count
    monkeypatch.setattr(state_module, "LARGEST_TEXT", len(text) - 1)
    with pytest.raises(StateTooLargeError, match=r"state of customer 7 must be at most \d+ bytes"):
        busy.encode("customer 7")


def text_of(mangle: object) -> str:
    state = folded(
        EntityState.empty(CUSTOMER), [("transaction", 1, 5, 9), ("transaction", 2, 6, 9)]
    )
    data = bytearray(base64.b64decode(state.encode("test")))
    return base64.b64encode(bytes(mangle(data))).decode()  # type: ignore[operator]


def replaced(place: int, value: int) -> object:
    def mangle(data: bytearray) -> bytearray:
        data[place] = value
        return data

    return mangle


def bomb(data: bytearray) -> bytes:
    return bytes(data[: HEADER.size]) + zlib.compress(bytes(10**7))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must start with b'FLS', got b''"),
        ("not base64!", "must be base64"),
        (base64.b64encode(b"XYZ" + bytes(40)).decode(), "must start with"),
        (text_of(replaced(3, 2)), "must have format 1, got 2; run the version of fraudloop"),
        (text_of(replaced(6, 1)), "must reach back 32 days"),
        (text_of(lambda data: data[:-6]), "must hold 6 values"),
        (text_of(replaced(30, 0xFF)), "must be whole"),
        (text_of(replaced(16, 9)), "must hold 27 values"),
        (text_of(bomb), "must hold 6 values, got 49 bytes"),
    ],
    ids=["empty", "text", "magic", "format", "horizon", "short", "damaged", "count", "bomb"],
)
def test_what_cannot_be_read_says_whose_and_why(text: str, rule: str) -> None:
    with pytest.raises(StateError, match=rf"state of customer 7 {rule}"):
        EntityState.decode(CUSTOMER, text, "customer 7")
