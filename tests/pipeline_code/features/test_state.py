"""Stored states: order-free, duplicate-safe, mergeable, bounded, and never misread."""

import base64
import binascii

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_code.features import state as state_module
from pipeline_code.features.definitions import CUSTOMER, ENTITIES, TERMINAL, Entity
from pipeline_code.features.plan import plan_of
from pipeline_code.features.state import REMEMBERED, EntityState, events_of
from pipeline_code.features.state_text import PREFIX, StateError
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


# States that keep all but a few events by the hop, and states that keep all one by one.
remembered = st.sampled_from([2, 4, REMEMBERED])


def folded(state: EntityState, part: list[Event], remembered: int = REMEMBERED) -> EntityState:
    def column(kind: str, place: int) -> np.ndarray:
        return np.array([event[place] for event in part if event[0] == kind], np.int64)

    hour = DAY // 24
    times, reported = column("transaction", 2) * hour, column("report", 2) * hour
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state_module, "REMEMBERED", remembered)
        return state.fold(
            events_of(START + times, column("transaction", 1), column("transaction", 3)),
            events_of(START + reported, column("report", 1)),
        )


def once_each(drawn: list[Event]) -> list[Event]:
    return list({(event[0], event[1]): event for event in drawn}.values())


def without_conflicts(drawn: list[Event]) -> list[Event]:
    """An id has one transaction and one report; what is sent again is sent unchanged."""
    first = {(event[0], event[1]): event for event in reversed(drawn)}
    return [first[(event[0], event[1])] for event in drawn]


@unhurried
@given(events, st.randoms(use_true_random=False), st.sampled_from(ENTITIES), remembered)
def test_any_order_and_any_batches_leave_the_same_state(
    drawn: list[Event], random: object, entity: Entity, keep: int
) -> None:
    all_events = once_each(drawn) if keep < REMEMBERED else without_conflicts(drawn)
    shuffled = list(all_events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    at_once = folded(EntityState(entity), all_events, keep)
    one_by_one = EntityState(entity)
    for event in shuffled:
        text = one_by_one.encode()
        one_by_one = folded(EntityState.decode(entity, text, "test"), [event], keep)
    assert one_by_one.encode() == at_once.encode()


@unhurried
@given(events, st.sampled_from(ENTITIES))
def test_a_repeated_event_changes_nothing(drawn: list[Event], entity: Entity) -> None:
    state = folded(EntityState(entity), without_conflicts(drawn))
    again = folded(state, without_conflicts(drawn))
    assert again.encode() == state.encode()


@unhurried
@given(events, st.integers(0, 14), st.sampled_from(ENTITIES), remembered)
def test_states_of_separate_events_merge(
    drawn: list[Event], cut: int, entity: Entity, keep: int
) -> None:
    all_events = once_each(drawn)
    parts = [
        folded(EntityState(entity), part, keep) for part in (all_events[:cut], all_events[cut:])
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state_module, "REMEMBERED", keep)
        merged = [parts[0].merge(parts[1]), parts[1].merge(parts[0])]
    whole = folded(EntityState(entity), all_events, keep)
    assert [state.encode() for state in merged] == [whole.encode()] * 2


@unhurried
@given(events, st.sampled_from(ENTITIES), remembered)
def test_text_reads_back(drawn: list[Event], entity: Entity, keep: int) -> None:
    state = folded(EntityState(entity), once_each(drawn), keep)
    read = EntityState.decode(entity, state.encode(), "test")
    assert read.newest == state.newest
    for name in ("transactions", "reports"):
        one, other = getattr(read, name), getattr(state, name)
        assert np.array_equal(one.recent, other.recent), name
        assert np.array_equal(one.hops, other.hops), name


@pytest.mark.parametrize("value", [0, -1, 2**63 - 1, -(2**63)])
def test_ids_of_64_bits_read_back(value: int) -> None:
    state = EntityState(CUSTOMER).fold(events_of(np.array([START]), np.array([value])))
    read = EntityState.decode(CUSTOMER, state.encode(), "test")
    assert read.transactions.recent.tolist() == [[START, value, 0]]


def test_of_two_reports_the_earlier_counts() -> None:
    late, early = ("report", 1, 50, 0), ("report", 1, 20, 0)
    for order in ([late, early], [early, late]):
        state = EntityState(TERMINAL)
        for event in order:
            state = folded(state, [event])
        assert state.reports.recent.tolist() == [[START + 20 * (DAY // 24), 1, 0]]


@pytest.mark.parametrize("entity", ENTITIES)
def test_what_is_older_than_the_horizon_is_dropped(entity: Entity) -> None:
    """To the day: START is a midnight."""
    oldest = START - int(plan_of().schedule(entity, reports=False)[-1]) // DAY * DAY
    times = np.array([oldest - 1, oldest, START], np.int64)
    state = EntityState(entity).fold(events_of(times, np.array([1, 2, 3])))
    assert state.transactions.recent[:, 1].tolist() == [2, 3]
    late = state.fold(events_of(times[:1], np.array([1])))
    assert late.encode() == state.encode()


@pytest.mark.parametrize("entity", ENTITIES)
def test_a_state_is_bounded_whatever_the_traffic(entity: Entity) -> None:
    random = np.random.default_rng(3)
    sizes = []
    for count in (30_000, 120_000):
        times = START + random.integers(0, 60 * DAY, count)
        state = EntityState(entity).fold(
            events_of(times, random.permutation(count) + 10**15, random.integers(0, 10**6, count)),
            events_of(times + DAY, np.arange(count)),
        )
        assert len(state.transactions.recent) == REMEMBERED
        sizes.append((len(state.transactions.hops), len(state.encode())))
    # All the hops that there can be, the finest of which only the busier one needs.
    assert all(hops < 1_000 for hops, _ in sizes)
    assert all(size < 24_000 for _, size in sizes)


def test_an_event_that_is_remembered_is_refused_and_an_older_one_is_not() -> None:
    """The stated bound: beyond the remembered events nobody can tell a repetition."""
    events = [("transaction", n, n, 1) for n in range(6)]
    state = folded(EntityState(CUSTOMER), events, 4)
    assert folded(state, events[2:], 4).encode() == state.encode()
    assert folded(state, events[:1], 4).encode() != state.encode()


@unhurried
@given(events, remembered, st.integers(0, 24 * 45))
def test_a_request_takes_its_place_however_late_it_comes(
    drawn: list[Event], keep: int, hours: int
) -> None:
    """An owner may be so busy that what is remembered, or its newest hop, is newer than it."""
    state = folded(EntityState(CUSTOMER), once_each(drawn), keep)
    before, counts, *_ = state.partial_sums()
    time = START + hours * DAY // 24
    request = events_of(np.array([time]), np.array([99]), np.array([7]))
    times, with_it, sums, largest = state.partial_sums(request)
    assert times.tolist() == sorted([*before.tolist(), time])
    assert with_it.sum() == counts.sum() + 1
    (place,) = (np.flatnonzero(times == time)[-1:]).tolist()
    assert (with_it[place], sums[place], largest[place]) == (1, 7, 7)


def text_of(mangle: object, *, checked: bool = True) -> str:
    state = folded(EntityState(CUSTOMER), [("transaction", 1, 5, 9), ("transaction", 2, 6, 9)])
    data = bytes(mangle(bytearray(base64.b64decode(state.encode()))))  # type: ignore[operator]
    if checked:
        rest = data[PREFIX.size :]
        data = PREFIX.pack(data[:3], data[3], binascii.crc32(rest)) + rest
    return base64.b64encode(data).decode()


def replaced(place: int, value: int) -> object:
    def mangle(data: bytearray) -> bytearray:
        data[place] = value
        return data

    return mangle


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must start with b'FLS', got b''"),
        ("not base64!", "must be base64"),
        (base64.b64encode(b"XYZ" + bytes(40)).decode(), "must start with"),
        (text_of(replaced(3, 1)), "must have format 2, got 1; run the version of fraudloop"),
        (text_of(replaced(3, 9)), "must have format 2, got 9"),
        (text_of(replaced(8, 1)), "must keep what its version's features need"),
        (text_of(lambda data: data[:-1]), "must hold 2 rows, got other bytes"),
        (text_of(lambda data: data + b"9"), "must hold 2 rows, got other bytes"),
        (text_of(replaced(26, 1)), r"must hold 65538 rows, got \d+ bytes"),
        (text_of(lambda data: data[:20]), "must be whole"),
        (text_of(replaced(40, 0xFF), checked=False), "must be whole, got damaged bytes"),
    ],
    ids=[
        "empty",
        "text",
        "magic",
        "older format",
        "newer format",
        "other features",
        "short",
        "long",
        "many",
        "header",
        "damaged",
    ],
)
def test_what_cannot_be_read_says_whose_and_why(text: str, rule: str) -> None:
    with pytest.raises(StateError, match=rf"state of customer 7 {rule}"):
        EntityState.decode(CUSTOMER, text, "customer 7")
