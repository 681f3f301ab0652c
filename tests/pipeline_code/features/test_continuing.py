"""Many rows after states are what the online driver answers one by one, and what batch computes."""

from collections.abc import Collection

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_code.features import state as state_module
from pipeline_code.features.batch import compute
from pipeline_code.features.continuing import features_after
from pipeline_code.features.definitions import ENTITIES, FEATURE_NAMES, Entity
from pipeline_code.features.events import Reports, Transaction, Transactions
from pipeline_code.features.online import vector
from pipeline_code.features.owners import EventsByOwner
from pipeline_code.features.state import EntityState
from pipeline_code.features.store.records import Key
from tests.pipeline_code.features.small_streams import (
    DAY,
    Row,
    moment,
    reports_of,
    reports_table,
    small_streams,
    transactions_table,
    unhurried,
)


class Folded:
    """States of all events that were known by a moment, as text, as the store keeps them."""

    def __init__(self, rows: list[Row], reports: list[tuple[Row, int]]) -> None:
        self._events = (
            Transactions.from_table(transactions_table(rows)),
            Reports.from_table(reports_table(reports)),
        )

    def __call__(self, entity: Entity, ids: Collection[int]) -> dict[int, EntityState]:
        events = EventsByOwner(entity, *self._events)
        known = {key.id for key in events.keys}
        keys = [Key(entity, id_) for id_ in ids if id_ in known]
        texts = {key: events.state(key).encode() for key in keys}
        return {key.id: EntityState.decode(entity, text, "") for key, text in texts.items()}


def _answers(rows: list[Row], states: Folded, shard_rows: int) -> list[list[float]]:
    transactions = Transactions.from_table(transactions_table(rows))
    answers = np.full((len(rows), len(FEATURE_NAMES)), np.nan, np.float32)
    for places, features in features_after(transactions, states, shard_rows=shard_rows):
        answers[places] = features.T
    return answers.tolist()


@pytest.mark.parametrize("remembered", [2, 512])
@given(
    stream=small_streams(),
    share=st.floats(0, 1),
    again=st.booleans(),
    shard_rows=st.sampled_from([1, 3, 1000]),
)
@unhurried
def test_rows_after_states_have_the_features_of_batch(
    stream: list[Row], share: float, again: bool, shard_rows: int, remembered: int
) -> None:
    stream = sorted(stream, key=lambda row: (row.time, row.id))
    cut = int(len(stream) * share)
    before, new = stream[:cut], stream[cut:]
    if not new:
        return
    # What is reported later than the first new row is not told to either.
    known = [(row, late) for row, late in reports_of(before) if row.time + late <= new[0].time]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state_module, "REMEMBERED", remembered)
        # Some that are scored have been folded already: those of the last day.
        folded = [*before, *(row for row in new if again and row.time <= new[0].time + DAY)]
        if remembered < len(folded):
            folded = before
        answers = _answers(new, Folded(folded, known), shard_rows)
    wanted = np.isin([row.id for row in stream], [row.id for row in new])
    batch = compute(transactions_table(stream), reports_table(known), wanted=wanted)
    columns = [batch[name].to_pylist() for name in FEATURE_NAMES]
    assert answers == [list(row) for row in zip(*columns, strict=True)]


@given(stream=small_streams(), share=st.floats(0, 1))
@unhurried
def test_rows_after_states_are_what_the_online_driver_answers(
    stream: list[Row], share: float
) -> None:
    stream = sorted(stream, key=lambda row: (row.time, row.id))
    cut = int(len(stream) * share)
    before, new = stream[:cut], stream[cut:]
    known = [(row, late) for row, late in reports_of(before) if not new or late <= 0]
    answers = _answers(new, Folded(before, known), 2) if new else []
    for place, row in enumerate(new):
        # A row at the very same time counts for the other, in whichever order they came.
        told = [*before, *(other for other in new if other.time <= row.time and other != row)]
        folded = Folded(told, known)
        customer, terminal = (
            folded(entity, [owner]).get(owner)
            for entity, owner in zip(ENTITIES, (row.customer, row.terminal), strict=True)
        )
        request = Transaction(
            transaction_id=row.id,
            event_time=moment(row.time),
            customer_id=row.customer,
            terminal_id=row.terminal,
            amount_minor=row.amount,
        )
        assert vector(customer, terminal, request) == answers[place]
