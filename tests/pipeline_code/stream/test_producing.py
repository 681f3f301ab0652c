"""What a stream refuses is put again, and the records of a key stay in order."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_code.stream import producing
from pipeline_code.stream.producing import ATTEMPTS, RECORDS_AT_ONCE, Entry, put_all

Refuse = Callable[[int, str], bool]


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producing, "FIRST_PAUSE_SECONDS", 0.0)


class Stream:
    """PutRecords, with a say in what is refused: an emulator refuses nothing.

    What it takes of one request it keeps in the reverse order, which the service may do too.
    """

    def __init__(self, refuse: Refuse = lambda _request, _key: False) -> None:
        self.requests: list[list[dict[str, Any]]] = []
        self.kept: dict[str, list[bytes]] = defaultdict(list)
        self._refuse = refuse

    def put_records(self, *, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        assert StreamName == "events"
        assert 0 < len(Records) <= RECORDS_AT_ONCE
        self.requests.append(Records)
        taken = [not self._refuse(len(self.requests), each["PartitionKey"]) for each in Records]
        for record, is_taken in reversed(list(zip(Records, taken, strict=True))):
            if is_taken:
                self.kept[record["PartitionKey"]].append(record["Data"])
        return {"Records": [_result(is_taken) for is_taken in taken]}


def _result(is_taken: bool) -> dict[str, str]:
    if is_taken:
        return {"SequenceNumber": "1", "ShardId": "shardId-000000000000"}
    return {
        "ErrorCode": "ProvisionedThroughputExceededException",
        "ErrorMessage": "Rate exceeded for shard shardId-000000000000",
    }


def entries(*keys: str) -> list[Entry]:
    return [Entry(key, f"{place}".encode()) for place, key in enumerate(keys)]


def test_nothing_to_put_is_nothing_asked() -> None:
    stream = Stream()
    assert put_all(stream, "events", []) == {}
    assert stream.requests == []


def test_a_keys_records_stay_in_order() -> None:
    stream = Stream()
    assert put_all(stream, "events", entries("a", "b", "a", "a", "b")) == {}
    assert stream.kept == {"a": [b"0", b"2", b"3"], "b": [b"1", b"4"]}


def test_many_records_go_in_requests_of_the_services_size() -> None:
    stream = Stream()
    many = [Entry(str(number), b"x") for number in range(2 * RECORDS_AT_ONCE + 1)]
    assert put_all(stream, "events", many) == {}
    assert [len(request) for request in stream.requests] == [500, 500, 1]


def test_large_records_go_in_requests_that_are_not_too_large() -> None:
    stream = Stream()
    many = [Entry(str(number), bytes(900_000)) for number in range(5)]
    assert put_all(stream, "events", many) == {}
    sizes = [sum(len(each["Data"]) for each in request) for request in stream.requests]
    assert max(sizes) < 5 * 1024 * 1024


def test_what_is_refused_is_put_again_before_what_follows_it() -> None:
    stream = Stream(lambda request, key: key == "a" and request < 4)
    assert put_all(stream, "events", entries("a", "b", "a", "b")) == {}
    assert stream.kept == {"a": [b"0", b"2"], "b": [b"1", b"3"]}


def test_what_is_refused_time_and_again_is_named_with_what_waits_behind_it() -> None:
    stream = Stream(lambda _request, key: key == "a")
    refused = put_all(stream, "events", entries("b", "a", "b", "a"))
    assert set(refused) == {1, 3}
    assert refused[1].startswith("ProvisionedThroughputExceededException: Rate exceeded")
    assert stream.kept == {"b": [b"0", b"2"]}
    assert len(stream.requests) < 3 * ATTEMPTS


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcde"), max_size=30), st.randoms(use_true_random=False))
def test_whatever_is_refused_nothing_is_lost_doubled_or_reordered(
    keys: list[str], random: Any
) -> None:
    stream = Stream(lambda _request, _key: random.random() < 0.3)
    given_ = entries(*keys)
    refused = put_all(stream, "events", given_)
    taken = [entry for place, entry in enumerate(given_) if place not in refused]
    wanted: dict[str, list[bytes]] = defaultdict(list)
    for entry in taken:
        wanted[entry.key].append(entry.data)
    assert stream.kept == wanted
