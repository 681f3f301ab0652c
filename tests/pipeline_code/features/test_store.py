"""Folding into Feature Store, against one that answers like it."""

import asyncio
import json
import math
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from local_aws.server import EmbeddedAws, free_port
from pipeline_code.__main__ import main
from pipeline_code.common.lake import Landing, write
from pipeline_code.common.schema import CUSTOMERS
from pipeline_code.features.definitions import (
    CUSTOMER,
    ENTITIES,
    FEATURE_NAMES,
    TERMINAL,
    feature_group_columns,
    stored_features,
)
from pipeline_code.features.events import Reports, Transactions
from pipeline_code.features.state import StateError
from pipeline_code.features.store.online_store import READ_AT_ONCE, OnlineStore
from pipeline_code.features.store.records import Key, StoredRecord
from pipeline_code.features.store.updating import (
    FeatureGroups,
    FoldResult,
    StoreError,
    fold_into_store,
    read_states,
)
from pipeline_code.features.store.updating import materialize as materialize_entity
from pipeline_code.serve.identity import Identity
from pipeline_code.serve.store import StoreReader
from tests.pipeline_code.features.small_streams import (
    DAY,
    HOUR,
    START,
    Row,
    reports_of,
    reports_table,
    transactions_table,
)
from tests.pipeline_code.features.stores import (
    NO_REPORTS,
    NO_TRANSACTIONS,
    Overloaded,
    Overtaken,
    batch_vector,
    materialize,
    record,
    stream,
    vector_of,
)

NOTHING = FoldResult()


@pytest.fixture(scope="module")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with EmbeddedAws(tmp_path_factory.mktemp("embedded") / "state", free_port()) as aws:
        yield aws


@pytest.fixture(scope="module")
def client_of(embedded_aws: EmbeddedAws) -> Callable[[str], Any]:
    return embedded_aws.session().client


@pytest.fixture(scope="module")
def client(client_of: Callable[[str], Any]) -> Any:
    return client_of("sagemaker-featurestore-runtime")


@pytest.fixture
def groups(client_of: Callable[[str], Any], request: pytest.FixtureRequest) -> FeatureGroups:
    """Empty feature groups with the columns that the stack defines."""
    test = re.sub(r"[^a-z0-9]+", "-", request.node.name)[-40:].strip("-")
    names = {entity.name: f"{entity.name}-{test}" for entity in ENTITIES}
    for entity in ENTITIES:
        client_of("sagemaker").create_feature_group(
            FeatureGroupName=names[entity.name],
            RecordIdentifierFeatureName=entity.record_identifier,
            EventTimeFeatureName="event_time",
            FeatureDefinitions=[
                {"FeatureName": name, "FeatureType": kind}
                for name, kind in feature_group_columns(entity)
            ],
            OnlineStoreConfig={"EnableOnlineStore": True},
        )
    return FeatureGroups(**names)


def test_what_was_folded_in_pieces_answers_as_batch(client: Any, groups: FeatureGroups) -> None:
    rows = stream()
    asked = rows[-1]
    known = [(row, delay) for row, delay in reports_of(rows) if row.time + delay <= asked.time]
    for part in (rows[:100], rows[150:], rows[100:150]):
        fold_into_store(client, groups, transactions_table(part), NO_REPORTS)
    fold_into_store(client, groups, NO_TRANSACTIONS, reports_table(known))
    assert vector_of(client, groups, asked) == batch_vector(rows, asked)


def test_only_touched_entities_are_written(client: Any, groups: FeatureGroups) -> None:
    first = Row(1, START, 1, 1, 100)
    assert fold_into_store(client, groups, transactions_table([first]), NO_REPORTS) == FoldResult(
        customers=1, terminals=1
    )
    # A report tells of the terminal only: no customer feature counts reports.
    report = reports_table([(first, DAY)])
    assert fold_into_store(client, groups, NO_TRANSACTIONS, report) == FoldResult(
        customers=0, terminals=1
    )
    assert record(client, groups, Key(CUSTOMER, 2)) == {}


def test_folding_again_writes_nothing(client: Any, groups: FeatureGroups) -> None:
    rows = stream()
    events = transactions_table(rows), reports_table(reports_of(rows))
    assert fold_into_store(client, groups, *events) == FoldResult(customers=3, terminals=2)
    before = record(client, groups, Key(TERMINAL, 1))
    assert fold_into_store(client, groups, *events) == NOTHING
    assert materialize(client, groups, *events) == NOTHING
    assert record(client, groups, Key(TERMINAL, 1)) == before


def test_a_late_event_is_not_lost_to_its_own_time(client: Any, groups: FeatureGroups) -> None:
    newest, late = Row(1, START + DAY, 1, 1, 100), Row(2, START, 1, 1, 300)
    for row in (newest, late):
        fold_into_store(client, groups, transactions_table([row]), NO_REPORTS)
    stored = record(client, groups, Key(CUSTOMER, 1))
    assert stored["event_time"] == "2024-01-21T00:00:00.002Z"
    assert stored["customer_mean_amount_7d"] == "200.0"


def test_the_record_covers_its_newest_event(client: Any, groups: FeatureGroups) -> None:
    row = Row(1, START + 1, 1, 1, 100)
    fold_into_store(client, groups, transactions_table([row]), NO_REPORTS)
    assert record(client, groups, Key(CUSTOMER, 1))["event_time"] == "2024-01-20T00:00:00.001Z"


def test_a_customers_stored_values_are_as_of_the_record(client: Any, groups: FeatureGroups) -> None:
    rows = [Row(n, START + n * DAY, 1, 1, 100 * n) for n in range(20)]
    fold_into_store(client, groups, transactions_table(rows), NO_REPORTS)
    stored = record(client, groups, Key(CUSTOMER, 1))
    # The newest is day 19; a week before it begins at day 12, which is still inside.
    assert stored["event_time"] == "2024-02-08T00:00:00.000Z"
    assert stored["customer_count_7d"] == "8"
    assert stored["customer_mean_amount_7d"] == repr(sum(range(1200, 2000, 100)) / 8)


def test_a_terminals_stored_values_are_as_of_the_record(client: Any, groups: FeatureGroups) -> None:
    rows = stream()
    fold_into_store(client, groups, transactions_table(rows), reports_table(reports_of(rows)))
    stored = record(client, groups, Key(TERMINAL, 1))
    time = int(datetime.fromisoformat(stored["event_time"]).timestamp() * 1000) * 1000
    asked = Row(10**6, time, 10**6, 1, 0)
    expected = dict(zip(FEATURE_NAMES, batch_vector([*rows, asked], asked), strict=True))
    assert {f.name: float(stored[f.name]) for f in stored_features(TERMINAL)} == {
        f.name: expected[f.name] for f in stored_features(TERMINAL)
    }
    assert float(stored["terminal_risk_30d"]) > 0


def test_materializing_keeps_what_the_lake_has_not_got_yet(
    client: Any, groups: FeatureGroups
) -> None:
    rows = stream()
    lake, newer = rows[:150], rows[150:]
    fold_into_store(client, groups, transactions_table(newer), NO_REPORTS)
    materialize(client, groups, transactions_table(lake), reports_table(reports_of(lake)))
    known = [(row, d) for row, d in reports_of(newer) if row.time + d <= rows[-1].time]
    fold_into_store(client, groups, NO_TRANSACTIONS, reports_table(known))
    assert vector_of(client, groups, rows[-1]) == batch_vector(rows, rows[-1])


def test_nothing_to_materialize_writes_nothing(client: Any, groups: FeatureGroups) -> None:
    assert materialize(client, groups, NO_TRANSACTIONS, NO_REPORTS) == NOTHING


def test_more_entities_than_one_request_takes(
    embedded_aws: EmbeddedAws, client: Any, groups: FeatureGroups
) -> None:
    rows = [Row(n, START + n, n, 1, 5) for n in range(230)]
    assert fold_into_store(client, groups, transactions_table(rows), NO_REPORTS) == FoldResult(
        customers=230, terminals=1
    )
    keys = [Key(CUSTOMER, n) for n in range(240)]
    found = OnlineStore(client, groups).read(keys)
    assert len(found) == 230
    served = asyncio.run(read_by_the_server(embedded_aws.session(), groups, keys))
    assert served == {key: (record.text, record.time) for key, record in found.items()}


async def read_by_the_server(
    session: boto3.Session, groups: FeatureGroups, keys: list[Key]
) -> dict[Key, tuple[str, int]]:
    client = session.client("sagemaker-featurestore-runtime")
    reader = StoreReader(client, Identity(session.get_credentials), groups)
    await reader.start()
    found: dict[Key, tuple[str, int]] = {}
    for place in range(0, len(keys), READ_AT_ONCE):
        batch = await reader.read(keys[place : place + READ_AT_ONCE], math.inf)
        records = (StoredRecord.parse(key, values) for key, values in batch.items())
        found |= {record.key: (record.text, record.time) for record in records}
    await reader.close()
    return found


def test_a_state_of_another_version_is_named(client: Any, groups: FeatureGroups) -> None:
    fold_into_store(client, groups, transactions_table([Row(1, START, 7, 1, 5)]), NO_REPORTS)
    stored = record(client, groups, Key(CUSTOMER, 7))
    stored |= {"state": "RkxTY" + stored["state"][5:], "event_time": "2030-01-01T00:00:00Z"}
    client.put_record(
        FeatureGroupName=groups.customer,
        Record=[{"FeatureName": name, "ValueAsString": text} for name, text in stored.items()],
    )
    with pytest.raises(StateError, match="state of customer 7 must have format 2"):
        read_states(client, groups, customer_id=7, terminal_id=1)


def test_materializing_renews_a_state_that_cannot_be_read(
    client: Any, groups: FeatureGroups
) -> None:
    row = Row(1, START, 7, 1, 5)
    newer_than_any_event = {"event_time": "2030-01-01T00:00:00Z", "customer_id": "7"}
    values = newer_than_any_event | {"state": "RkxTYg=="}
    client.put_record(
        FeatureGroupName=groups.customer,
        Record=[{"FeatureName": name, "ValueAsString": text} for name, text in values.items()],
    )
    materialize(client, groups, transactions_table([row]), NO_REPORTS)
    customer, _ = read_states(client, groups, customer_id=7, terminal_id=1)
    assert customer is not None
    assert customer.transactions.recent[:, 1].tolist() == [1]


def test_a_missing_group_is_named(client: Any) -> None:
    groups = FeatureGroups(customer="no-such-group", terminal="nor-this")
    with pytest.raises(StoreError, match="no-such-group"):
        read_states(client, groups, customer_id=1, terminal_id=1)


def test_unprocessed_records_are_sent_again(client: Any, groups: FeatureGroups) -> None:
    rows = transactions_table([Row(1, START, 1, 1, 5)])
    assert fold_into_store(Overloaded(client, 2), groups, rows, NO_REPORTS) == FoldResult(
        customers=1, terminals=1
    )
    states = read_states(Overloaded(client, 1), groups, customer_id=1, terminal_id=1)
    assert all(state is not None for state in states)


def test_a_store_that_never_catches_up_is_an_error(
    client: Any, groups: FeatureGroups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline_code.features.store.online_store.FIRST_PAUSE_SECONDS", 0)
    with pytest.raises(StoreError, match="BatchGetRecord must process every record"):
        read_states(Overloaded(client, 99), groups, customer_id=1, terminal_id=1)


def test_a_refused_record_is_an_error(client: Any, groups: FeatureGroups) -> None:
    store = OnlineStore(client, groups)
    wrong = [{"FeatureName": "no_such_feature", "ValueAsString": json.dumps(1)}]
    with pytest.raises(StoreError, match="BatchWriteRecord must take every record, got 1 refused"):
        store.write([(Key(CUSTOMER, 1), wrong)])


@pytest.mark.parametrize("stored", [0, 3], ids=["new", "known"])
def test_a_job_gives_way_to_a_consumer(client: Any, groups: FeatureGroups, stored: int) -> None:
    """Whether there is a record yet or not, the event that the consumer folds meanwhile stays."""
    lake = [Row(n, START + n * HOUR, 1, 1, 100) for n in range(10)]
    live = Row(99, START + 5 * HOUR + 1, 1, 1, 700)
    if stored:
        fold_into_store(client, groups, transactions_table(lake[:stored]), NO_REPORTS)
    job = Overtaken(client, groups, [live])
    known = Transactions.from_table(transactions_table(lake)), Reports.from_table(NO_REPORTS)
    for entity in ENTITIES:
        materialize_entity(job, groups, entity, *known)
    customer, terminal = read_states(client, groups, customer_id=1, terminal_id=1)
    for state in (customer, terminal):
        assert state is not None
        assert sorted(state.transactions.recent[:, 1].tolist()) == [*range(10), 99]


def test_a_consumer_whose_first_record_met_a_jobs_folds_again(
    client: Any, groups: FeatureGroups
) -> None:
    # Too late for the job, which makes room for a day, to give way.
    lake, live = Row(1, START + 2 * DAY, 1, 1, 100), Row(2, START, 1, 1, 300)

    class Consumer(Overtaken):
        def batch_write_record(self, **request: Any) -> dict[str, Any]:
            if self._rows:
                materialize(
                    self._client, self._groups, transactions_table([self._rows.pop()]), NO_REPORTS
                )
            return self._client.batch_write_record(**request)

    consumer = Consumer(client, groups, [lake])
    event = transactions_table([live])
    folded = fold_into_store(consumer, groups, event, NO_REPORTS, entities=(CUSTOMER,))
    assert list(folded.failed) == [Key(CUSTOMER, 1)]
    again = fold_into_store(client, groups, event, NO_REPORTS, entities=(CUSTOMER,))
    assert again == FoldResult(customers=1)
    customer, _ = read_states(client, groups, customer_id=1, terminal_id=1)
    assert customer is not None
    assert customer.transactions.recent[:, 1].tolist() == [2, 1]


def test_entities_fail_one_by_one(client: Any, groups: FeatureGroups) -> None:
    broken = {"event_time": "2020-01-01T00:00:00Z", "customer_id": "7", "state": "RkxTCQ=="}
    client.put_record(
        FeatureGroupName=groups.customer,
        Record=[{"FeatureName": name, "ValueAsString": text} for name, text in broken.items()],
    )
    rows = transactions_table([Row(1, START, 7, 1, 5), Row(2, START, 8, 1, 5)])
    folded = fold_into_store(client, groups, rows, NO_REPORTS)
    assert (folded.customers, folded.terminals) == (1, 1)
    assert list(folded.failed) == [Key(CUSTOMER, 7)]
    assert "state of customer 7 must" in folded.failed[Key(CUSTOMER, 7)]


def test_the_job_materializes_the_groups_that_its_environment_names(
    client: Any,
    groups: FeatureGroups,
    embedded_aws: EmbeddedAws,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in embedded_aws.environment().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    pattern = groups.customer.replace(CUSTOMER.name, "{entity}")
    monkeypatch.setenv("FEATURE_GROUP_PATTERN", pattern)
    rows = stream()
    landing = Landing(
        transactions=transactions_table(rows),
        fraud_reports=reports_table(reports_of(rows)),
        customers=CUSTOMERS.empty_table(),
    )
    write(landing, tmp_path / "processing" / "input")
    assert main(["features", "--train-days", "7", "--test-days", "7"]) == 0
    file = tmp_path / "processing" / "output" / "summary" / "summary.json"
    assert json.loads(file.read_text())["materialized"] == {"customers": 3, "terminals": 2}
    customer, terminal = read_states(client, groups, customer_id=1, terminal_id=1)
    assert customer is not None
    assert terminal is not None
    assert sorted(terminal.reports.recent[:, 1].tolist()) == [
        n for n in range(190) if n % 5 == 0 and n % 2 == 1
    ]
