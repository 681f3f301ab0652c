"""The online vector equals the batch vector, bit for bit, however the events arrive."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operations.data.own.local import read_landing
from pipeline_code.features import state as state_module
from pipeline_code.features.batch import compute
from pipeline_code.features.definitions import CUSTOMER, ENTITIES, FEATURE_NAMES, TERMINAL, Entity
from pipeline_code.features.events import Reports, Transaction, Transactions
from pipeline_code.features.online import vector
from pipeline_code.features.owners import EventsByOwner
from pipeline_code.features.state import EntityState, events_of
from pipeline_code.features.store.records import Key
from tests.pipeline_code.features.small_streams import (
    DAY,
    HOUR,
    Row,
    moment,
    reports_of,
    reports_table,
    small_streams,
    transactions_table,
    unhurried,
    vectors,
)

SHARED = Path(__file__).parents[4] / "shared" / "data" / "transactions.parquet"

# An arrival is a transaction, or a transaction with the delay of its report.
Arrival = tuple[Row, int | None]


class Store:
    """States as they are kept: as text, one per entity."""

    def __init__(self) -> None:
        self._texts: dict[tuple[Entity, int], str] = {}

    def state(self, entity: Entity, owner: int) -> EntityState | None:
        text = self._texts.get((entity, owner))
        return None if text is None else EntityState.decode(entity, text, f"{entity.name} {owner}")

    def take(self, arrivals: Sequence[Arrival]) -> None:
        for entity in ENTITIES:
            for owner in (1, 2, 2**62):
                mine = [a for a in arrivals if _owner(a[0], entity) == owner]
                if mine:
                    self._fold(entity, owner, mine)

    def _fold(self, entity: Entity, owner: int, arrivals: Sequence[Arrival]) -> None:
        transactions = transactions_table([row for row, delay in arrivals if delay is None])
        reports = reports_table([(row, delay) for row, delay in arrivals if delay is not None])
        events = EventsByOwner(
            entity, Transactions.from_table(transactions), Reports.from_table(reports)
        )
        state = self.state(entity, owner)
        folded = events.fold(EntityState(entity) if state is None else state, Key(entity, owner))
        self._texts[(entity, owner)] = folded.encode()


def _owner(row: Row, entity: Entity) -> int:
    return row.customer if entity == CUSTOMER else row.terminal


def _known(arrival: Arrival) -> int:
    row, delay = arrival
    return row.time if delay is None else row.time + delay


def _request(row: Row) -> Transaction:
    return Transaction(
        transaction_id=row.id,
        event_time=moment(row.time),
        customer_id=row.customer,
        terminal_id=row.terminal,
        amount_minor=row.amount,
    )


@settings(unhurried, max_examples=150)
@given(small_streams(max_size=10), st.data())
def test_online_equals_batch_in_a_replay(rows: list[Row], data: st.DataObject) -> None:
    """Requests come up to a day late; events in any order, in pieces, some of them twice."""
    arrivals: list[Arrival] = [(row, None) for row in rows]
    arrivals += reports_of(rows)
    batch = compute(transactions_table(rows), reports_table(reports_of(rows)))
    expected = dict(zip(batch["transaction_id"].to_pylist(), vectors(batch), strict=True))
    store, clock = Store(), -(2**62)
    for row in sorted(rows, key=lambda row: row.time):
        lateness = data.draw(st.sampled_from([0, 0, 1, HOUR, DAY]), label="lateness")
        until = max(clock, row.time + lateness)
        new = [a for a in arrivals if clock < _known(a) <= until]
        repeated = [a for a in arrivals if _known(a) <= clock and data.draw(st.booleans())]
        coming = data.draw(st.permutations(new + repeated), label="arrivals")
        middle = data.draw(st.integers(0, len(coming)), label="cut")
        store.take(coming[:middle])
        store.take(coming[middle:])
        clock = until
        states = store.state(CUSTOMER, row.customer), store.state(TERMINAL, row.terminal)
        assert vector(*states, _request(row)) == expected[row.id]


@settings(unhurried, max_examples=150)
@given(small_streams(max_size=12), st.data())
def test_partial_sums_by_hop_answer_as_batch(rows: list[Row], data: st.DataObject) -> None:
    """All but an entity's three newest events are kept by the hop; requests come on time.

    Nothing comes again, and no two events have one time: which is stated to take remembering.
    """
    rows = [
        replace(row, report_delays=row.report_delays[:1])
        for row in {row.time: row for row in rows}.values()
    ]
    arrivals: list[Arrival] = [*((row, None) for row in rows), *reports_of(rows)]
    batch = compute(transactions_table(rows), reports_table(reports_of(rows)))
    expected = dict(zip(batch["transaction_id"].to_pylist(), vectors(batch), strict=True))
    store, clock = Store(), -(2**62)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state_module, "REMEMBERED", 3)
        for row in sorted(rows, key=lambda row: row.time):
            new = [a for a in arrivals if clock < _known(a) <= row.time]
            for arrival in data.draw(st.permutations(new), label="arrivals"):
                store.take([arrival])
            clock = row.time
            states = store.state(CUSTOMER, row.customer), store.state(TERMINAL, row.terminal)
            assert vector(*states, _request(row)) == expected[row.id]


@unhurried
@given(small_streams(max_size=10))
def test_a_request_counts_itself_whether_folded_before_or_not(rows: list[Row]) -> None:
    row = max(rows, key=lambda row: row.time)
    others, everything = Store(), Store()
    others.take([(other, None) for other in rows if other is not row])
    everything.take([(other, None) for other in rows])
    answers = [
        vector(
            store.state(CUSTOMER, row.customer),
            store.state(TERMINAL, row.terminal),
            _request(row),
        )
        for store in (others, everything)
    ]
    assert answers[0] == answers[1]


def test_an_unknown_customer_and_terminal_have_a_vector() -> None:
    row = Row(1, 0, 1, 1, 250)
    answer = dict(zip(FEATURE_NAMES, vector(None, None, _request(row)), strict=True))
    assert answer["customer_count_30d"] == 1
    assert answer["customer_mean_amount_30d"] == 250
    assert answer["amount_over_customer_mean_7d"] == 1
    assert answer["terminal_risk_30d"] == 0


@pytest.mark.parametrize("delay", [0, 7 * DAY], ids=["transaction", "matured"])
def test_a_request_a_day_late_still_finds_its_whole_window(delay: int) -> None:
    """The oldest event that counts, when the state has moved on by all that is allowed."""
    midnight = 100 * DAY
    asked = Row(1, midnight + DAY - 1, 1, 1, 100)
    oldest = Row(2, midnight - 30 * DAY - delay, 1, 1, 300)
    newest = Row(3, asked.time + DAY, 1, 1, 500)
    store = Store()
    for row in (oldest, newest):
        store.take([(row, None)])
    states = store.state(CUSTOMER, 1), store.state(TERMINAL, 1)
    batch = compute(transactions_table([asked, oldest, newest]), reports_table([]))
    assert vector(*states, _request(asked)) == vectors(batch)[0]
    counted = "terminal_count_30d" if delay else "customer_count_30d"
    assert batch[counted][0].as_py() == (1 if delay else 2)


def test_a_time_without_a_zone_is_refused() -> None:
    row = Row(1, 0, 1, 1, 250)
    naive = replace(_request(row), event_time=moment(0).replace(tzinfo=None))
    with pytest.raises(ValueError, match="event_time must have a time zone"):
        vector(None, None, naive)


def test_what_arrives_after_its_time_never_changes_an_earlier_answer() -> None:
    """Online half of the leakage test: states may hold later events, an answer may not."""
    asked = Row(1, 40 * DAY, 1, 1, 100)
    later = [Row(n, 40 * DAY + n, 1, 1, 10**6, (0,)) for n in range(2, 6)]
    store = Store()
    store.take([(row, None) for row in later])
    store.take(reports_of(later))
    states = store.state(CUSTOMER, 1), store.state(TERMINAL, 1)
    assert vector(*states, _request(asked)) == vector(None, None, _request(asked))


def test_real_transactions_get_the_same_vectors_online() -> None:
    """A sample of customers and of all they did, on the public simulated data."""
    if not SHARED.is_file():
        pytest.skip(f"NOT CHECKED on real input: {SHARED} is not there")
    landing = read_landing(SHARED)
    transactions = Transactions.from_table(landing.transactions)
    reports = Reports.from_table(landing.fraud_reports)
    batch = compute(landing.transactions, landing.fraud_reports)
    reported = np.flatnonzero(np.isin(transactions.ids, reports.ids))
    chosen = np.random.default_rng(7)
    sample = [
        *chosen.choice(len(transactions.ids), 120, replace=False).tolist(),
        *chosen.choice(reported, 60, replace=False).tolist(),
    ]
    by_owner = {entity: _rows_by_owner(transactions, reports, entity) for entity in ENTITIES}
    expected = vectors(batch.take(sample))
    for row, wanted in zip(sample, expected, strict=True):
        time = int(transactions.times[row])
        states = []
        for entity in ENTITIES:
            mine, told = by_owner[entity](int(transactions.owners(entity)[row]))
            mine = chosen.permutation(mine[transactions.times[mine] <= time])
            told = told[reports.times[told] <= time]
            state = EntityState(entity)
            for part in np.array_split(mine, 3):
                state = state.fold(
                    events_of(
                        transactions.times[part], transactions.ids[part], transactions.amounts[part]
                    ),
                    events_of(reports.times[told], reports.ids[told]),
                )
            states.append(EntityState.decode(entity, state.encode(), "sample"))
        request = Transaction(
            transaction_id=int(transactions.ids[row]),
            event_time=moment(time),
            customer_id=int(transactions.customers[row]),
            terminal_id=int(transactions.terminals[row]),
            amount_minor=int(transactions.amounts[row]),
        )
        assert vector(states[0], states[1], request) == wanted


def _rows_by_owner(transactions, reports, entity):  # type: ignore[no-untyped-def]
    owners, told_owners = transactions.owners(entity), reports.owners(entity)
    order, told_order = np.argsort(owners, kind="stable"), np.argsort(told_owners, kind="stable")
    ranked, told_ranked = owners[order], told_owners[told_order]

    def rows(owner: int):  # type: ignore[no-untyped-def]
        first, last = np.searchsorted(ranked, [owner, owner + 1])
        told_first, told_last = np.searchsorted(told_ranked, [owner, owner + 1])
        return order[first:last], told_order[told_first:told_last]

    return rows
