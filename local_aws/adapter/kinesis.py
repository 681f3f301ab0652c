"""Kinesis' data plane in place of ministack's, which keeps records in memory."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ministack.core import responses
from ministack.services import kinesis
from ministack.services.cloudformation import provisioners

from local_aws.adapter.resharding import closed_shards, keep_closed_shards

Request = dict[str, Any]
_STREAM = "AWS::Kinesis::Stream"


class KinesisError(Exception):
    """An answer other than success: AWS's code and what a person reads."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Stream:
    """What of a stream its records depend on."""

    arn: str
    created: int
    encryption: str
    retention_seconds: int
    # By name: the first and the last hash key.
    shards: Mapping[str, tuple[int, int]]
    # Closed ones by name, and the shards that took over from each.
    closed: Mapping[str, tuple[int, int]]
    children: Mapping[str, tuple[str, ...]]
    on_demand: bool

    @property
    def log_name(self) -> str:
        """Another one for a stream that is made again."""
        return f"{self.arn}@{self.created}"

    def shard_of(self, hash_key: int) -> str:
        """The shard that a hash key belongs to."""
        for name, (first, last) in self.shards.items():
            if first <= hash_key <= last:
                return name
        return next(iter(self.shards))


def hash_key(partition_key: str) -> int:
    """What a partition key is routed by."""
    return int(kinesis._partition_key_to_hash(partition_key))


def find_stream(request: Request) -> Stream:
    """The stream that a request names.

    Raises:
        KinesisError: If there is none.
    """
    name, record = kinesis._resolve_stream(request)
    if record is None:
        raise KinesisError("ResourceNotFoundException", f"Stream {name} not found")
    return _stream(record)


def get_stream(arn: str) -> Stream | None:
    """A stream by its ARN, in the current account and region."""
    record = kinesis._resolve_stream_by_arn(arn)
    return None if record is None else _stream(record)


def all_streams() -> list[Stream]:
    """The streams of all accounts and regions."""
    return [_stream(record) for _key, record in list(kinesis._streams.all_items())]


def _stream(record: dict[str, Any]) -> Stream:
    closed, shards = closed_shards(record), dict(record["shards"])
    children: dict[str, tuple[str, ...]] = {}
    for name, shard in {**closed, **shards}.items():
        for parent in (shard["parent_shard_id"], shard["adjacent_parent_shard_id"]):
            if parent is not None:
                children[parent] = (*children.get(parent, ()), name)
    return Stream(
        arn=record["StreamARN"],
        created=record["CreationTimestamp"],
        encryption=record.get("EncryptionType", "NONE"),
        retention_seconds=record["RetentionPeriodHours"] * 3600,
        shards=_keys(shards),
        closed=_keys(closed),
        children=children,
        on_demand=record["StreamModeDetails"]["StreamMode"] == "ON_DEMAND",
    )


def _keys(shards: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[int, int]]:
    return {
        name: (int(shard["starting_hash_key"]), int(shard["ending_hash_key"]))
        for name, shard in shards.items()
    }


def replace_data_plane(
    operations: Mapping[str, Callable[[Request], dict[str, Any]]],
    *,
    put: Callable[[Stream, str, bytes], None],
    newest: Callable[[], str],
    deleted: Callable[[Stream], None],
) -> None:
    """Serve records from elsewhere; streams and shards stay ministack's.

    Args:
        operations: The operations by name (`PutRecord`), from a request to an answer.
        put: Takes what another service puts: stream, partition key and data.
        newest: The sequence number that a shard made now starts after.
        deleted: Told of a stream that is about to be deleted.
    """
    for operation, function in operations.items():
        setattr(kinesis, _FUNCTIONS[operation], _answered(function))

    def put_record_internal(stream_arn: str, partition_key: str, data: bytes) -> bool:
        stream = get_stream(stream_arn)
        if stream is not None:
            put(stream, partition_key, data)
        return stream is not None

    kinesis.put_record_internal = put_record_internal
    kinesis._next_sequence_number = newest
    keep_closed_shards(newest)
    delete = kinesis._delete_stream

    def delete_stream(request: Request) -> Any:
        _name, record = kinesis._resolve_stream(request)
        if record is not None:
            deleted(_stream(record))
        return delete(request)

    kinesis._delete_stream = delete_stream
    _keep_tags()
    _complete_templates(deleted)


_FUNCTIONS = {
    "PutRecord": "_put_record",
    "PutRecords": "_put_records",
    "GetShardIterator": "_get_shard_iterator",
    "GetRecords": "_get_records",
}


def _answered(function: Callable[[Request], dict[str, Any]]) -> Callable[[Request], Any]:
    def answer(request: Request) -> Any:
        try:
            return responses.json_response(function(request))
        except KinesisError as error:
            return responses.error_response_json(error.code, str(error), 400)

    return answer


def _keep_tags() -> None:
    """Keep the tags that a stream is made with, which ministack drops."""
    create = kinesis._create_stream

    def create_stream(request: Request) -> Any:
        answer = create(request)
        if answer[0] == HTTPStatus.OK:
            kinesis._add_tags(request)
        return answer

    kinesis._create_stream = create_stream


def subscriptions_unsupported() -> None:
    """Refuse enhanced fan-out, which reads ministack's own records."""

    def subscribe_to_shard(_request: Request, _is_cbor: bool) -> Any:
        message = "The embedded AWS does not support SubscribeToShard; read with GetRecords"
        return responses.error_response_json("InvalidArgumentException", message, 400)

    kinesis._subscribe_to_shard = subscribe_to_shard


def _complete_templates(deleted: Callable[[Stream], None]) -> None:
    """Keep a template's StreamEncryption, which ministack drops, and tell of deletions."""
    handler = provisioners._RESOURCE_HANDLERS[_STREAM]
    create, update, delete = handler["create"], handler["update"], handler["delete"]

    def create_stream(logical_id: str, props: Request, stack_name: str) -> Any:
        created = create(logical_id, props, stack_name)
        _encrypt(created[0], props)
        return created

    def update_stream(physical_id: str, old: Request, new: Request, stack_name: str) -> Any:
        updated = update(physical_id, old, new, stack_name)
        _encrypt(updated[0], new)
        wanted, stream = int(new.get("ShardCount") or 0), kinesis._streams[updated[0]]
        if wanted and wanted != len(stream["shards"]):
            # ministack leaves them as they are.
            kinesis._update_shard_count({"StreamName": updated[0], "TargetShardCount": wanted})
        return updated

    def delete_stream(physical_id: str, props: Request) -> None:
        record = kinesis._streams.get(physical_id)
        if record is not None:
            deleted(_stream(record))
        delete(physical_id, props)

    handler.update(create=create_stream, update=update_stream, delete=delete_stream)


def _encrypt(name: str, props: Request) -> None:
    encryption, record = props.get("StreamEncryption"), kinesis._streams[name]
    record["EncryptionType"] = encryption["EncryptionType"] if encryption else "NONE"
    if encryption:
        record["KeyId"] = encryption["KeyId"]
    else:
        record.pop("KeyId", None)


def decoded(data: Any) -> bytes:
    """A record's data as it was sent.

    Raises:
        KinesisError: If it is not base64.
    """
    try:
        return base64.b64decode(data, validate=True)
    except ValueError as error:
        raise KinesisError("SerializationException", f"Data must be base64: {error}") from error
