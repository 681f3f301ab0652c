"""Two versions of the features' schema are alive at once, and each has its own states."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.server import EmbeddedAws, free_port
from pipeline_code.contracts.schema import NEWEST_VERSION, SCHEMA_VERSIONS, working_version
from pipeline_code.features.definitions import (
    CUSTOMER,
    ENTITIES,
    TERMINAL,
    Entity,
    feature_group_columns,
    features_of,
    stored_features,
)
from pipeline_code.features.events import Reports, Transactions
from pipeline_code.features.owners import EventsByOwner
from pipeline_code.features.plan import plan_of
from pipeline_code.features.sides import all_features
from pipeline_code.features.state import EntityState, StateError
from pipeline_code.features.store.materializing import Materializer, MaterializingSettings
from pipeline_code.features.store.records import Key
from pipeline_code.features.store.updating import FeatureGroups, fold_into_store
from tests.pipeline_code.features.other_version import ADDED, CHANGED, REMOVED
from tests.pipeline_code.features.small_streams import (
    Row,
    reports_of,
    reports_table,
    transactions_table,
)
from tests.pipeline_code.features.stores import record, stream


@pytest.fixture(scope="module")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with EmbeddedAws(tmp_path_factory.mktemp("embedded") / "state", free_port()) as aws:
        yield aws


@pytest.fixture
def groups(
    embedded_aws: EmbeddedAws, other_version: str, request: pytest.FixtureRequest
) -> tuple[FeatureGroups, ...]:
    """Empty feature groups of both versions."""
    client = embedded_aws.session().client("sagemaker")
    both = FeatureGroups.of_every_version(f"t{abs(hash(request.node.name))}-{{entity}}-{{version}}")
    assert [each.version for each in both] == [NEWEST_VERSION, other_version]
    for each in both:
        for entity in ENTITIES:
            client.create_feature_group(
                FeatureGroupName=each.of(entity),
                RecordIdentifierFeatureName=entity.record_identifier,
                EventTimeFeatureName="event_time",
                FeatureDefinitions=[
                    {"FeatureName": name, "FeatureType": kind}
                    for name, kind in feature_group_columns(entity, each.version)
                ],
                OnlineStoreConfig={"EnableOnlineStore": True},
            )
    return both


@pytest.fixture
def store(embedded_aws: EmbeddedAws) -> Any:
    return embedded_aws.session().client("sagemaker-featurestore-runtime")


def state_of(rows: list[Row], key: Key, version: str) -> EntityState:
    known = (
        Transactions.from_table(transactions_table(rows)),
        Reports.from_table(reports_table(reports_of(rows))),
    )
    return EventsByOwner(key.entity, *known, version).state(key)


def test_a_version_has_what_is_declared_since_and_until(other_version: str) -> None:
    before, after = (
        {each.name: each for each in features_of(v)} for v in (NEWEST_VERSION, other_version)
    )
    assert before.keys() - after.keys() == {REMOVED}
    assert after.keys() - before.keys() == {ADDED, "terminal_count_45d"}
    assert before[CHANGED].formula != after[CHANGED].formula


def test_a_process_works_by_the_version_that_it_is_told() -> None:
    assert working_version({}) == working_version({"FEATURE_SCHEMA_VERSION": ""}) == NEWEST_VERSION
    for version in SCHEMA_VERSIONS:
        assert working_version({"FEATURE_SCHEMA_VERSION": version}) == version
    command = [sys.executable, "-c", "import pipeline_code.features.definitions"]
    ended = subprocess.run(
        command,
        env=os.environ | {"FEATURE_SCHEMA_VERSION": "v1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    said = f"must be one of {', '.join(SCHEMA_VERSIONS)}, got v1; run code whose SCHEMA_DIGESTS"
    assert said in ended.stderr


@pytest.mark.parametrize("entity", ENTITIES)
def test_states_of_two_versions_are_not_mistaken(other_version: str, entity: Entity) -> None:
    text = state_of(stream(), Key(entity, 1), other_version).encode()
    with pytest.raises(StateError, match="must keep what its version's features need"):
        EntityState.decode(entity, text, "it")
    with pytest.raises(StateError, match="must keep what its version's features need"):
        newest = state_of(stream(), Key(entity, 1), NEWEST_VERSION).encode()
        EntityState.decode(entity, newest, "it", other_version)


def expected(rows: list[Row], entity: Entity, id_: int, version: str) -> dict[str, float]:
    """What batch says of the stored features at the owner's last transaction."""
    known = Transactions.from_table(transactions_table(rows))
    reports = Reports.from_table(reports_table(reports_of(rows)))
    plan = plan_of(features_of(version))
    answer = all_features(known, reports, plan)
    ids = known.ids[answer.rows]
    owned = [row for row in rows if (row.customer, row.terminal)[entity == TERMINAL] == id_]
    (place,) = np.flatnonzero(ids == max(owned, key=lambda row: (row.time, row.id)).id)
    names = [each.name for each in plan.features]
    wanted = {each.name for each in stored_features(entity, version)}
    values = zip(names, answer.features[:, place].tolist(), strict=True)
    return {name: value for name, value in values if name in wanted}


def test_both_versions_are_folded_and_each_is_equal_to_batch(
    store: Any, groups: tuple[FeatureGroups, ...]
) -> None:
    rows = stream()
    for part in (rows[:80], rows[80:]):
        for each in groups:
            fold_into_store(store, each, transactions_table(part), reports_table([]))
    for each in groups:
        stored = record(store, each, Key(CUSTOMER, 1))
        wanted = expected(rows, CUSTOMER, 1, each.version)
        # No request counts in a record, so that its last event is the newest itself.
        wanted["customer_since_last"] = 0.0
        assert wanted == {name: float(stored[name]) for name in wanted}
    assert ADDED in record(store, groups[1], Key(CUSTOMER, 1))
    assert ADDED not in record(store, groups[0], Key(CUSTOMER, 1))


def test_the_job_fills_a_new_version_beside_consumers(
    store: Any,
    groups: tuple[FeatureGroups, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The lake has the old events, the stream the newest, some are in both: each counts once."""
    rows = stream()
    monkeypatch.setattr(boto3, "client", lambda *_, **__: store)
    for each in groups:
        fold_into_store(store, each, transactions_table(rows[140:]), reports_table([]))
    job = Materializer(groups, MaterializingSettings())
    known = Transactions.from_table(transactions_table(rows[:160]))
    for entity in ENTITIES:
        job(entity, known, Reports.from_table(reports_table([])))
    bare = [Row(row.id, row.time, row.customer, row.terminal, row.amount) for row in rows]
    for each in groups:
        for key in (Key(CUSTOMER, 2), Key(TERMINAL, 1)):
            stored = record(store, each, key)["state"]
            assert stored == state_of(bare, key, each.version).encode()


@given(cut=st.integers(0, 190), again=st.integers(0, 190))
def test_what_one_version_took_may_come_again_for_the_other(cut: int, again: int) -> None:
    rows = stream()
    for key in (Key(CUSTOMER, 0), Key(TERMINAL, 0)):
        whole = state_of(rows, key, NEWEST_VERSION)
        part = state_of(rows[:cut], key, NEWEST_VERSION)
        known = Transactions.from_table(transactions_table(rows[min(cut, again) :]))
        reported = Reports.from_table(reports_table(reports_of(rows)))
        assert EventsByOwner(key.entity, known, reported).fold(part, key).encode() == whole.encode()
