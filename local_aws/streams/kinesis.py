"""Kinesis' operations on records, from a log that outlives a kill of the server."""

import base64
import json
import time
from collections.abc import Callable
from itertools import compress
from typing import Any

from local_aws.adapter import kinesis
from local_aws.adapter.kinesis import KinesisError, Stream
from local_aws.streams.rates import ShardRates
from local_aws.streams.record import Entry, Record, sequence_number, sequence_of
from local_aws.streams.records import RecordLog

Request = dict[str, Any]

MOST_RECORDS = 500
MOST_BYTES = 1024 * 1024
MOST_BYTES_AT_ONCE = 5 * 1024 * 1024
LONGEST_KEY = 256
HASH_KEYS = 2**128
READ_AT_ONCE = 10_000
READ_BYTES_AT_ONCE = 10 * 1024 * 1024
ITERATOR_SECONDS = 300


def install(log: RecordLog) -> None:
    """Serve PutRecord, PutRecords, GetShardIterator and GetRecords from a log."""
    plane = DataPlane(log)
    kinesis.replace_data_plane(
        {
            "PutRecord": plane.put_record,
            "PutRecords": plane.put_records,
            "GetShardIterator": plane.get_shard_iterator,
            "GetRecords": plane.get_records,
        },
        put=plane.put,
        newest=lambda: sequence_number(log.last),
        deleted=plane.forget,
    )
    kinesis.subscriptions_unsupported()


def entry(stream: Stream, key: str, data: bytes, explicit_hash: str | None = None) -> Entry:
    """A record on its way to its shard."""
    own = kinesis.hash_key(key)
    shard = stream.shard_of(own if explicit_hash is None else int(explicit_hash))
    # The low digits: the high ones choose the shard.
    return Entry(shard, key, data, own % 65536)


class DataPlane:
    """The operations, from requests to answers.

    Args:
        log: Where records are kept.
    """

    def __init__(self, log: RecordLog) -> None:
        self._log = log
        self._rates = ShardRates()

    def forget(self, stream: Stream) -> None:
        """Drop what is kept of a stream that is about to be deleted."""
        self._log.forget_stream(stream.log_name)
        self._rates.forget(stream)

    def put_record(self, request: Request) -> Request:
        """Put one record."""
        stream = kinesis.find_stream(request)
        (put,) = self._put(stream, [request])
        if "ErrorCode" in put:
            raise KinesisError(put["ErrorCode"], put["ErrorMessage"])
        return {**put, "EncryptionType": stream.encryption}

    def put_records(self, request: Request) -> Request:
        """Put up to 500 records; those that their shards do not take now are told."""
        stream = kinesis.find_stream(request)
        records = request.get("Records", [])
        if not 1 <= len(records) <= MOST_RECORDS:
            raise _invalid(f"Records must be 1 to {MOST_RECORDS}, got {len(records)}")
        put = self._put(stream, records)
        failed = sum("ErrorCode" in each for each in put)
        return {"FailedRecordCount": failed, "Records": put, "EncryptionType": stream.encryption}

    def put(self, stream: Stream, key: str, data: bytes) -> None:
        """Put a record of another service's."""
        self._log.append(stream.log_name, [entry(stream, key, data)])

    def _put(self, stream: Stream, records: list[Request]) -> list[Request]:
        entries = [_checked(stream, record) for record in records]
        total = sum(len(e.data) + len(e.key.encode()) for e in entries)
        if total > MOST_BYTES_AT_ONCE:
            raise _argument(f"Records must have {MOST_BYTES_AT_ONCE} bytes at most, got {total}")
        taken = [self._rates.admit(stream, entry) for entry in entries]
        positions = iter(self._log.append(stream.log_name, list(compress(entries, taken))))
        return [
            {"SequenceNumber": sequence_number(next(positions)), "ShardId": e.shard}
            if admitted
            else _exceeded(stream, e)
            for admitted, e in zip(taken, entries, strict=True)
        ]

    def get_shard_iterator(self, request: Request) -> Request:
        """Where to read from. The token itself says it, so it outlives a restart."""
        stream, name = kinesis.find_stream(request), request.get("ShardId", "")
        if name not in {*stream.shards, *stream.closed}:
            raise KinesisError("ResourceNotFoundException", f"Shard {name} not found")
        after = self._after(self._log.shard(stream.log_name, name), request)
        return {"ShardIterator": _token(stream, name, after)}

    def _after(self, shard: int, request: Request) -> int:
        kind = request.get("ShardIteratorType")
        starts: dict[str, Callable[[], int]] = {
            "TRIM_HORIZON": lambda: 0,
            "LATEST": lambda: self._log.last,
            "AT_SEQUENCE_NUMBER": lambda: sequence_of(request["StartingSequenceNumber"]) - 1,
            "AFTER_SEQUENCE_NUMBER": lambda: sequence_of(request["StartingSequenceNumber"]),
            "AT_TIMESTAMP": lambda: (
                self._log.first_since(shard, _seconds(request["Timestamp"])) - 1
            ),
        }
        try:
            return starts[str(kind)]()
        except (KeyError, ValueError, TypeError) as error:
            raise _argument(f"{kind} needs a valid starting point: {error!r}") from error

    def get_records(self, request: Request) -> Request:
        """The next records and where to go on."""
        arn, created, name, after = _parsed(request.get("ShardIterator", ""))
        stream = kinesis.get_stream(arn)
        if stream is None or stream.created != created:
            raise KinesisError("ResourceNotFoundException", f"Stream {arn} not found")
        shard = self._log.shard(stream.log_name, name)
        limit = min(int(request.get("Limit", READ_AT_ONCE)), READ_AT_ONCE)
        records = within(self._log.read(shard, after=after, limit=limit), READ_BYTES_AT_ONCE)
        after = records[-1].sequence if records else after
        following = self._log.read(shard, after=after, limit=1)
        behind = time.time() - following[0].arrival if following else 0.0
        answer = {
            "Records": [_as_answered(record, stream.encryption) for record in records],
            "NextShardIterator": _token(stream, name, after),
            "MillisBehindLatest": max(0, int(behind * 1000)),
        }
        if name in stream.closed and not following:
            # "If set to null, the shard has been closed and the requested iterator does not return
            # any more data" (API Reference, GetRecords).
            answer["NextShardIterator"] = None
            answer["ChildShards"] = _children(stream, name)
        return answer


def _children(stream: Stream, parent: str) -> list[Request]:
    """The shards that took over from a closed one."""
    ranges = {**stream.closed, **stream.shards}
    return [
        {
            "ShardId": name,
            "ParentShards": [each for each, known in stream.children.items() if name in known],
            "HashKeyRange": {
                "StartingHashKey": str(ranges[name][0]),
                "EndingHashKey": str(ranges[name][1]),
            },
        }
        for name in stream.children.get(parent, ())
    ]


def within(records: list[Record], size: int) -> list[Record]:
    """As many of the first records as have a size together, one at least."""
    total = 0
    for count, record in enumerate(records):
        total += len(record.data)
        if total > size and count > 0:
            return records[:count]
    return records


def stream_of_iterator(token: str) -> str | None:
    """The ARN of the stream that an iterator reads; None if it is none."""
    try:
        return _parsed(token)[0]
    except KinesisError:
        return None


def _token(stream: Stream, shard: str, after: int) -> str:
    document = [stream.arn, stream.created, shard, after, int(time.time())]
    return base64.b64encode(json.dumps(document).encode()).decode()


def _parsed(token: str) -> tuple[str, int, str, int]:
    try:
        arn, created, shard, after, issued = json.loads(base64.b64decode(token, validate=True))
    except (ValueError, TypeError) as error:
        raise KinesisError("InvalidArgumentException", "Invalid ShardIterator") from error
    if time.time() - issued > ITERATOR_SECONDS:
        raise KinesisError("ExpiredIteratorException", "Iterator expired; get a new one")
    return arn, created, shard, after


def _exceeded(stream: Stream, entry: Entry) -> Request:
    """As the API Reference's example of PutRecords has it."""
    account, name = stream.arn.split(":")[4], stream.arn.rpartition("/")[2]
    words = f"Rate exceeded for shard {entry.shard} in stream {name} under account {account}."
    return {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": words}


def _checked(stream: Stream, record: Request) -> Entry:
    key, data = record.get("PartitionKey", ""), kinesis.decoded(record.get("Data", ""))
    if not 1 <= len(key) <= LONGEST_KEY:
        raise _invalid(f"PartitionKey must have 1 to {LONGEST_KEY} characters, got {len(key)}")
    if len(data) > MOST_BYTES:
        raise _invalid(f"Data must have {MOST_BYTES} bytes at most, got {len(data)}")
    own = record.get("ExplicitHashKey")
    if own is not None and not (own.isdecimal() and int(own) < HASH_KEYS):
        raise _argument(
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: "
            f"[0, {HASH_KEYS - 1}]. Specified value was {own}"
        )
    return entry(stream, key, data, own)


def _as_answered(record: Record, encryption: str) -> Request:
    return {
        "SequenceNumber": record.number,
        "ApproximateArrivalTimestamp": record.arrival,
        "Data": base64.b64encode(record.data).decode(),
        "PartitionKey": record.key,
        "EncryptionType": encryption,
    }


def _seconds(moment: Any) -> float:
    """A time as JSON or CBOR has it."""
    return float(moment.timestamp() if hasattr(moment, "timestamp") else moment)


def _argument(message: str) -> KinesisError:
    return KinesisError("InvalidArgumentException", message)


def _invalid(message: str) -> KinesisError:
    return KinesisError("ValidationException", message)
