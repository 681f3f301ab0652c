"""The deployed stream: whatever happens on the way, every event counts once."""

import base64
import json
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from operations import executions
from operations.data import lake
from operations.data.events import Stream
from operations.data.landing import await_landed
from operations.data.stream import EventStream
from operations.errors import OperationError
from operations.redrive import redrive
from operations.target import Target
from pipeline_code.common.schema import DATASETS, TRANSACTIONS, read
from pipeline_code.features.definitions import CUSTOMER, TERMINAL
from pipeline_code.stream.producing import Entry, put_all

from .killing import killed_when_it_writes
from .streams import START, Crowd, crowd, damage, expected, heal, objects, send, states

pytestmark = pytest.mark.end_to_end


@pytest.fixture
def target(played: Any) -> Target:
    found: Target = played.target
    return found


def eventually(is_so: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it never was so"
        time.sleep(0.1)


def await_states(target: Target, crowd: Crowd, wanted: dict[str, str]) -> None:
    eventually(lambda: states(target, crowd) == wanted)


def failures(target: Target) -> int:
    sqs = target.client("sqs")
    attributes = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    return sum(
        int(count)
        for output in ("CustomerFailuresQueueUrl", "TerminalFailuresQueueUrl")
        for count in sqs.get_queue_attributes(
            QueueUrl=target.output(output), AttributeNames=list(attributes)
        )["Attributes"].values()
    )


def alarm(target: Target, metric: str) -> str:
    """The state of the stream's alarm on a metric."""
    prefix = target.stack_name("streaming")
    found = target.client("cloudwatch").describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"]
    (state,) = (each["StateValue"] for each in found if each.get("MetricName") == metric)
    return str(state)


def test_late_repeated_and_reordered_events_count_once(target: Target) -> None:
    some = crowd()
    wanted = expected(target, some)
    entries = some.entries()
    shuffled = [*entries, *entries[::3], *entries[::5]]
    random.Random(3).shuffle(shuffled)  # noqa: S311 - an order, not a secret
    send(target, shuffled)
    await_states(target, some, wanted)
    # Once more, when all of it is old.
    send(target, entries[::-1])
    last = crowd(transactions=1)
    send(target, last.entries())
    await_states(target, last, expected(target, last))
    assert states(target, some) == wanted
    assert failures(target) == 0


def test_a_producer_waits_until_its_events_are_folded_and_landed(target: Target) -> None:
    some = crowd()
    events = EventStream(target)
    events.publish(some.stream)
    events.await_folded()
    assert states(target, some) == expected(target, some)
    await_landed(target, some.stream)
    ids = some.stream.transactions["transaction_id"].to_pylist()
    sql = (
        "SELECT count(DISTINCT transaction_id), sum(amount_minor) FROM transactions "  # noqa: S608
        f"WHERE transaction_id BETWEEN {min(ids)} AND {max(ids)}"
    )
    answer = lake.query(target, sql)
    total = sum(some.stream.transactions["amount_minor"].to_pylist())
    assert answer.rows == [[str(len(ids)), str(total)]]


@pytest.fixture
def first_day(target: Target) -> Iterator[None]:
    """Nothing is in the lake; afterwards it holds again what it held, the very same versions."""
    s3, bucket = target.client("s3"), target.output("RawBucketName")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    markers = [
        {"Key": key, "VersionId": s3.delete_object(Bucket=bucket, Key=key)["VersionId"]}
        for key in keys
        if key.startswith(tuple(f"{dataset.name}/" for dataset in DATASETS))
    ]
    yield
    for marker in markers:
        s3.delete_object(Bucket=bucket, **marker)


def test_a_lake_that_only_the_stream_has_written_trains(
    target: Target, first_day: None, tmp_path: Path
) -> None:
    with pytest.raises(OperationError, match="lake must hold transactions and reports of frauds"):
        executions.start(target, reason="nothing is there")
    some = crowd(transactions=1200, customers=40, terminals=30, days=50)
    send(target, some.entries())
    await_landed(target, some.stream)
    assert objects(target, "customers/") == {}
    lake.download(target, "transactions/", tmp_path)
    landed = read(tmp_path / "transactions", TRANSACTIONS)
    ids = some.stream.transactions["transaction_id"]
    ours = landed.filter(pa.compute.is_in(landed["transaction_id"], value_set=ids.combine_chunks()))
    order = [("transaction_id", "ascending")]
    assert ours.sort_by(order).equals(some.stream.transactions.sort_by(order))
    execution = executions.watch(target, executions.start(target, reason="streamed"))
    ended = {step.name: step.status for step in execution.steps}
    # The gate need not think much of frauds that nobody could tell.
    assert ended.pop("RefuseModel", "Failed") == "Failed"
    assert execution.model_package is None or ended.pop("RegisterModel") == "Succeeded"
    assert ended == dict.fromkeys(
        ("CheckData", "ComputeFeatures", "TrainModel", "Baseline", "EvaluateModel", "Gate"),
        "Succeeded",
    ), execution.explain()


def test_a_poison_record_is_kept_with_its_reason_and_holds_nobody_up(target: Target) -> None:
    some = crowd(transactions=20)
    wanted, entries = expected(target, some), some.entries()
    key = entries[0].key
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    document = json.loads(entries[0].data)
    bad = {
        b"poison": "event must be JSON",
        json.dumps(document | {"amount": "-1.00"}).encode(): "amount must be a decimal number",
        json.dumps(document | {"event_time": tomorrow}).encode(): "event_time must be at most 5",
        json.dumps(document | {"customer_id": 2**64}).encode(): "customer_id must be between 0",
        json.dumps(document | {"currency": "USD"}).encode(): "currency must be EUR",
    }
    poison = [Entry(key, data) for data in bad]
    send(target, [*entries[:10], *poison, *entries[10:]])
    await_states(target, some, wanted)
    kept = [json.loads(body) for body in objects(target, "quarantine/stream/").values()]
    found = {base64.b64decode(each["data_base64"]): each["reason"] for each in kept}
    for data, reason in bad.items():
        assert found[data].startswith(reason)
    assert failures(target) == 0
    eventually(lambda: alarm(target, "QuarantinedRecords") == "ALARM")
    # Landing comes to the same verdict, and keeps them as well.
    await_landed(target, some.stream)
    eventually(lambda: _refused_by_firehose(target, "transactions") >= set(bad))


def test_a_poison_report_is_kept_wherever_it_comes_from(target: Target) -> None:
    report = b'{"type": "fraud_report", "transaction_id": 1}'
    for stream in ("EventStreamName", "TerminalEventStreamName"):
        put_all(target.client("kinesis"), target.output(stream), [Entry("1", report)])
    eventually(lambda: report in _refused_by_firehose(target, "fraud_reports"))

    def kept() -> int:
        bodies = [json.loads(body) for body in objects(target, "quarantine/stream/").values()]
        return sum(base64.b64decode(each["data_base64"]) == report for each in bodies)

    eventually(lambda: kept() == 2)  # by either function


def _refused_by_firehose(target: Target, kind: str) -> set[bytes]:
    bodies = objects(target, f"quarantine/firehose/{kind}/").values()
    lines = [json.loads(line) for body in bodies for line in body.splitlines()]
    return {base64.b64decode(line["rawData"]) for line in lines}


@pytest.mark.parametrize("function", ["CustomerFunctionName", "TerminalFunctionName"])
def test_a_consumer_that_is_killed_mid_batch_loses_and_doubles_nothing(
    target: Target, function: str
) -> None:
    # More entities than one request writes: some are written, others are not, when it dies.
    some = crowd(transactions=200, customers=60, terminals=60)
    wanted = expected(target, some)
    with killed_when_it_writes(target, function, times=2) as assassin:
        send(target, some.entries())
        await_states(target, some, wanted)
    assert assassin.kills == 2
    assert failures(target) == 0


@pytest.mark.parametrize("entity", [CUSTOMER, TERMINAL], ids=lambda entity: entity.name)
def test_a_damaged_state_stops_its_own_events_and_they_can_be_given_again(
    target: Target, entity: Any
) -> None:
    some = crowd(transactions=40, customers=3, terminals=3)
    wanted = expected(target, some)
    damaged = (some.customers if entity == CUSTOMER else some.terminals)[0]
    damage(target, entity, damaged)
    send(target, some.entries())
    eventually(lambda: failures(target) > 0)
    name = f"{entity.name} {damaged}"
    others = {key: text for key, text in wanted.items() if key.startswith(entity.name)}
    others.pop(name)
    eventually(lambda: others.items() <= states(target, some).items())
    assert states(target, some)[name] == "damaged"

    heal(target, entity, damaged)

    def given_again() -> bool:
        redrive(target)
        return states(target, some) == wanted

    eventually(given_again)
    eventually(lambda: failures(target) == 0)


def test_events_of_the_future_are_refused_before_any_is_sent(target: Target) -> None:
    some = crowd(transactions=5)
    times = some.stream.transactions["event_time"].to_pylist()
    times[3] = datetime.now(UTC) + timedelta(hours=1)
    late = some.stream.transactions.set_column(
        1, "event_time", pa.array(times, TRANSACTIONS.field("event_time").type)
    )
    with pytest.raises(OperationError, match="event_time must not be in the future"):
        EventStream(target).publish(Stream(late, some.stream.fraud_reports))
    assert states(target, some) == {}


def test_ingesting_online_brings_a_file_into_store_and_lake(
    played: Any, target: Target, fraudloop: Any, tmp_path: Path
) -> None:
    some = crowd(transactions=25, customers=3, terminals=3)
    rows = some.stream.transactions
    file = tmp_path / "week.csv"
    amounts = [f"{amount / 100:.2f}" for amount in rows["amount_minor"].to_pylist()]
    lines = [
        f"{id_},{time:%Y-%m-%dT%H:%M:%SZ},{customer},{terminal},{amount}"
        for id_, time, customer, terminal, amount in zip(
            *(rows[name].to_pylist() for name in rows.column_names[:4]), amounts, strict=True
        )
    ]
    header = "transaction_id,event_time,customer_id,terminal_id,amount"
    file.write_text("\n".join([header, *lines]) + "\n")
    options = ["--online", "--register-customers", "--state", str(played.state)]
    done = fraudloop("ingest", str(file), *options)
    assert done.returncode == 0, done.stderr
    without_reports = Crowd(Stream(rows, some.stream.fraud_reports.slice(0, 0)))
    assert states(target, some) == expected(target, without_reports)
    assert min(rows["event_time"].to_pylist()) >= START
