import pytest

from local_aws.streams.batches import RecordBatch, Verdict, first_failure, judge, split_expired
from local_aws.streams.record import Record, sequence_number

RECORDS = tuple(Record(i, 100.0 + i, "key", b"") for i in range(4))
ALL = RecordBatch(RECORDS)


def failures(*numbers: int) -> dict[str, list[dict[str, str]]]:
    return {"batchItemFailures": [{"itemIdentifier": sequence_number(n)} for n in numbers]}


@pytest.mark.parametrize(
    ("answer", "first"),
    [
        (None, None),
        ({}, None),
        ({"batchItemFailures": []}, None),
        ({"batchItemFailures": None}, None),
        (failures(3, 1), 1),
        (failures(9), 0),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, 0),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, 0),
        ({"batchItemFailures": [{"id": sequence_number(1)}]}, 0),
        ({"failures": []}, 0),
        ("done", 0),
    ],
)
def test_what_a_function_reports(answer: object, first: int | None) -> None:
    assert first_failure(RECORDS, answer) == first


def test_retries_are_counted_and_end() -> None:
    batch: RecordBatch = ALL
    for used in range(1, 3):
        (batch,) = judge(batch, 0, retries=2, bisect=False).again
        assert batch == RecordBatch(RECORDS, used)
    assert judge(batch, 0, retries=2, bisect=False) == Verdict(discarded=batch)


def test_negative_retries_never_end() -> None:
    assert judge(RecordBatch(RECORDS, 999), 0, retries=-1, bisect=False).discarded is None


def test_progress_starts_the_count_again() -> None:
    verdict = judge(RecordBatch(RECORDS, 5), 2, retries=5, bisect=False)
    assert verdict.done == RECORDS[:2]
    assert verdict.again == (RecordBatch(RECORDS[2:], 1),)
    assert judge(ALL, 2, retries=0, bisect=False).discarded == RecordBatch(RECORDS[2:])


def test_splitting_does_not_count() -> None:
    halves = judge(RecordBatch(RECORDS, 1), 0, retries=1, bisect=True)
    assert halves == Verdict(again=(RecordBatch(RECORDS[:2], 1), RecordBatch(RECORDS[2:], 1)))
    reported = judge(ALL, 1, retries=0, bisect=True)
    assert reported == Verdict(done=RECORDS[:1], again=(RecordBatch(RECORDS[1:]),))


def test_only_what_is_too_old_is_split_off() -> None:
    assert split_expired(ALL, 102.0) == (RecordBatch(RECORDS[:2]), RecordBatch(RECORDS[2:]))
    assert split_expired(ALL, 0.0) == (None, ALL)
    assert split_expired(ALL, 999.0) == (ALL, None)
