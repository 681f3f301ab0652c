"""The features of a batch, from real stores: bit for bit what the endpoint would have answered."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from local_aws.server import EmbeddedAws
from pipeline_code.__main__ import main
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.features.events import Transaction
from tests.pipeline_code.parity.world import World, report, table

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def transaction(id_: int, moment: datetime, customer: int, terminal: int) -> Transaction:
    return Transaction(
        transaction_id=id_,
        event_time=moment,
        customer_id=customer,
        terminal_id=terminal,
        amount_minor=100 + 37 * id_ % 1000,
    )


# Sixty days of five customers at three terminals; every ninth transaction was a fraud.
PAST = [
    transaction(n, START + n * 7 * HOUR, customer=n % 5, terminal=n % 3)
    for n in range(45 * 24 // 7)
]
REPORTS = [report(each, each.event_time + 7 * DAY) for each in PAST[::9]][:-3]
# A day later: known and unknown customers and terminals, some twice.
NEW = [
    transaction(
        1000 + n,
        PAST[-1].event_time + DAY + n * HOUR,
        customer=[0, 1, 77, 77, 4][n % 5],
        terminal=[0, 88, 2, 88][n % 4],
    )
    for n in range(12)
]


@pytest.fixture(scope="module")
def world(embedded_aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The past, in the lake and in the offline stores, of which a part was written later."""
    world = World(embedded_aws.session(), tmp_path_factory.mktemp("world"))
    world.land(PAST, REPORTS)
    world.fold(PAST[:-20])
    world.fold(PAST[-20:], REPORTS)
    world.stores()
    return world


@pytest.fixture(scope="module")
def before(world: World) -> str:
    """A moment when the new transactions had not come yet."""
    return datetime.now(UTC).isoformat()


@pytest.fixture(scope="module")
def answers(world: World, before: str) -> dict[int, dict[str, float]]:
    """What the endpoint answers to the new transactions, one after the other."""
    answered = {}
    for each in NEW:
        answered[each.transaction_id] = world.ask(each).features
        world.fold([each])
    return answered


class Job:
    """The entry point in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.output = root / "processing" / "output"

    def give(self, transactions: Iterable[Transaction], name: str = "asked.parquet") -> None:
        folder = self._root / "processing" / "input" / "batch"
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(table(transactions), folder / name)

    def run(self, source: str, *arguments: str) -> dict[str, Any]:
        assert main(["batch", "features", "--source", source, *arguments]) == 0, self.failure()
        facts: dict[str, Any] = json.loads((self.output / "facts" / "facts.json").read_text())
        return facts

    def fail(self, *arguments: str) -> str:
        assert main(["batch", "features", *arguments]) == 1
        return self.failure()

    def failure(self) -> str:
        return (self._root / "output" / "message").read_text()

    def read(self, name: str) -> pa.Table:
        return pq.read_table(self.output / name)

    def vectors(self) -> dict[int, dict[str, float]]:
        rows = self.read("features").to_pylist()
        return {row.pop("transaction_id"): row for row in rows}


@pytest.fixture
def job(
    world: World,
    before: str,
    embedded_aws: EmbeddedAws,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Job:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    variables = embedded_aws.environment() | {
        "SAGEMAKER_BASE_DIR": str(tmp_path),
        "RAW_BUCKET": world.raw,
        "CUSTOMER_FEATURE_GROUP": world.groups.customer,
        "TERMINAL_FEATURE_GROUP": world.groups.terminal,
        "OUTPUT_URI": f"s3://{world.name}/results",
        "AS_OF": before,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Job(tmp_path)


@pytest.mark.parametrize("source", ["auto", "offline-store", "lake"])
def test_features_are_the_endpoints(
    job: Job, answers: dict[int, dict[str, float]], source: str
) -> None:
    job.give(NEW)
    facts = job.run(source)
    assert job.vectors() == answers
    assert facts["feature_source"] == ("lake" if source == "lake" else "offline-store")
    assert (facts["rows"], facts["asked"], facts["refused"], facts["repeated"]) == (12, 12, 0, 0)


def test_what_was_folded_already_counts_once(
    job: Job,
    world: World,
    answers: dict[int, dict[str, float]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world.stores()
    monkeypatch.setenv("AS_OF", datetime.now(UTC).isoformat())
    job.give(NEW)
    assert job.run("offline-store")["customer_states"] == 4
    assert job.vectors() == answers


@pytest.mark.parametrize("source", ["offline-store", "lake"])
def test_rows_say_of_whom_nothing_was_known(job: Job, source: str) -> None:
    job.give(NEW)
    job.run(source)
    rows = {row["transaction_id"]: row for row in job.read("rows").to_pylist()}
    customers = [id_ for id_, row in rows.items() if row["customer_unknown"]]
    terminals = [id_ for id_, row in rows.items() if row["terminal_unknown"]]
    assert (customers, terminals) == ([1002], [1001])
    assert rows[1005]["amount_minor"] == NEW[5].amount_minor
    assert rows[1005]["event_time"] == NEW[5].event_time


def test_a_state_is_the_one_of_the_batchs_start(
    job: Job, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job.give(NEW)
    # Before anything was put: whoever is asked about is unknown.
    monkeypatch.setenv("AS_OF", "2020-01-01T00:00:00Z")
    facts = job.run("offline-store")
    assert (facts["customer_states"], facts["terminal_states"]) == (0, 0)
    assert job.vectors()[1000]["customer_count_30d"] == 1


def test_what_a_state_has_forgotten_comes_from_the_lake(job: Job, world: World) -> None:
    old = PAST[100:110]
    job.give(old)
    facts = job.run("auto")
    assert facts["feature_source"] == "lake"
    # They are in the lake, and count once.
    assert (facts["already_in_lake"], facts["asked"]) == (10, 10)
    later = [each for each in PAST if each.event_time <= old[-1].event_time]
    counts = {
        each.transaction_id: sum(
            other.customer_id == each.customer_id
            and each.event_time - DAY < other.event_time <= each.event_time
            for other in later
        )
        for each in old
    }
    found = {id_: row["customer_count_1d"] for id_, row in job.vectors().items()}
    assert found == counts


def test_the_offline_store_alone_refuses_what_it_has_forgotten(job: Job) -> None:
    job.give(PAST[:3])
    message = job.fail("--source", "offline-store")
    assert "at most 1 day, 0:00:00 before the newest event of its customer" in message
    assert "let features come from the lake" in message


def test_what_a_state_only_sums_up_is_not_counted_twice(
    job: Job, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a customer with many events a day, the morning's cannot be told from new ones."""
    busy = [
        transaction(5000 + n, PAST[-1].event_time + n * HOUR / 2, customer=500, terminal=500 + n)
        for n in range(8)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline_code.features.state.REMEMBERED", 4)
        world.fold(busy)
    world.land(busy)
    world.stores()
    monkeypatch.setenv("AS_OF", datetime.now(UTC).isoformat())
    job.give(busy[3:])
    assert "no longer knows one by one" in job.fail("--source", "offline-store")
    assert job.run("auto")["feature_source"] == "lake"
    later = job.vectors()
    assert [later[5003 + n]["customer_count_1d"] for n in range(5)] == [4, 5, 6, 7, 8]
    job.give(busy[5:])
    assert job.run("offline-store")["feature_source"] == "offline-store"
    assert job.vectors() == {id_: later[id_] for id_ in (5005, 5006, 5007)}


def test_a_transaction_that_the_lake_holds_otherwise_is_refused(job: Job) -> None:
    other = transaction(3, PAST[3].event_time + HOUR, customer=0, terminal=0)
    job.give([other, *NEW])
    message = job.fail("--source", "lake")
    assert "one that the lake holds with another time" in message
    facts = job.run("lake", "--tolerated-share", "0.2")
    assert (facts["refused"], facts["asked"]) == (1, 12)
    assert job.read("facts/refused.parquet")["transaction_id"].to_pylist() == ["3"]


def test_repetitions_are_asked_about_once(job: Job, answers: dict[int, dict[str, float]]) -> None:
    job.give(NEW[:8], "a.parquet")
    job.give(NEW[4:], "b.parquet")
    facts = job.run("auto")
    assert (facts["rows"], facts["asked"], facts["repeated"]) == (16, 12, 4)
    assert job.vectors() == answers


def test_files_fit_into_a_request(
    job: Job, monkeypatch: pytest.MonkeyPatch, answers: dict[int, dict[str, float]]
) -> None:
    monkeypatch.setattr("pipeline_code.batch.writing.MOST_ROWS", 5)
    job.give(NEW)
    assert job.run("auto")["files"] == 3
    sizes = [
        [pq.read_metadata(file).num_rows for file in sorted((job.output / name).iterdir())]
        for name in ("features", "rows")
    ]
    assert sizes == [[5, 5, 2], [5, 5, 2]]
    ids = [job.read(name)["transaction_id"].to_pylist() for name in ("features", "rows")]
    assert ids[0] == ids[1]
    assert job.vectors() == answers


def test_the_model_is_asked_by_name_and_nothing_else(job: Job) -> None:
    job.give(NEW)
    job.run("lake")
    assert job.read("features").column_names == ["transaction_id", *FEATURE_NAMES]


def test_results_are_never_mixed_with_those_of_another_batch(job: Job, world: World) -> None:
    world.s3.put_object(Bucket=world.name, Key="results/summary.json", Body=b"{}")
    try:
        job.give(NEW)
        assert "output must be an empty prefix" in job.fail()
    finally:
        world.s3.delete_object(Bucket=world.name, Key="results/summary.json")


def test_another_source_is_refused_where_people_see_it(job: Job) -> None:
    assert "source must be one of auto, offline-store, lake, got 'online'" in job.fail(
        "--source", "online"
    )


@pytest.mark.parametrize("name", ["RAW_BUCKET", "OUTPUT_URI", "CUSTOMER_FEATURE_GROUP"])
def test_what_is_not_told_is_named(job: Job, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)
    assert f"{name} must be set" in job.fail()
