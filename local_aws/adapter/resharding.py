"""Shards that were split or merged: closed, and there until their records expire.

"After the reshard operation, parent shards transition to a CLOSED state", and to EXPIRED once "the
stream's retention period has expired" (Kinesis Data Streams Developer Guide, "Resharding, data
routing, data persistence, and shard state after a reshard"). ministack forgets them at once.
"""

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from ministack.core import responses
from ministack.services import kinesis

Request = dict[str, Any]
Shard = Mapping[str, Any]
Wanted = Callable[[str, Shard], bool]
# Which shards a request that describes a stream is told of; None outside of such.
_wanted: ContextVar[Wanted | None] = ContextVar("kinesis_wanted", default=None)


def closed_shards(stream: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A stream's closed shards by name, but for those that have expired."""
    oldest = time.time() - stream["RetentionPeriodHours"] * 3600
    closed = stream.get("closed_shards", {})
    return {name: shard for name, shard in closed.items() if shard["closed_at"] > oldest}


def keep_closed_shards(newest: Callable[[], str]) -> None:
    """Keep closed shards, and tell of them.

    Args:
        newest: The newest sequence number, up to which a shard that is closed now may have records.
    """
    for name in ("_split_shard", "_merge_shards"):
        setattr(kinesis, name, _closing(getattr(kinesis, name), newest))
    kinesis._update_shard_count = _closing(_update_shard_count, newest)
    for name in ("_describe_stream", "_list_shards"):
        setattr(kinesis, name, _describing(getattr(kinesis, name)))
    resolve, shard_out = kinesis._resolve_stream, kinesis._shard_out

    def resolve_stream(request: Request) -> Any:
        name, stream = resolve(request)
        wanted = _wanted.get()
        if stream is None or wanted is None:
            return name, stream
        every = {**closed_shards(stream), **stream["shards"]}
        shards = {each: shard for each, shard in every.items() if wanted(each, shard)}
        return name, stream | {"shards": shards}

    def with_ending(shard_id: str, shard: Shard) -> Any:
        found = shard_out(shard_id, shard)
        if "ending_sequence_number" in shard:
            ending = shard["ending_sequence_number"]
            found["SequenceNumberRange"]["EndingSequenceNumber"] = ending
        return found

    kinesis._resolve_stream, kinesis._shard_out = resolve_stream, with_ending


def _closing(operation: Callable[[Request], Any], newest: Callable[[], str]) -> Any:
    def reshard(request: Request) -> Any:
        stream = kinesis._resolve_stream(request)[1]
        before = {} if stream is None else {**stream["shards"]}
        ending = newest()
        answer = operation(request)
        for name in before if stream is not None else ():
            if name not in stream["shards"]:
                shard = before[name] | {"closed_at": time.time(), "records": []}
                stream.setdefault("closed_shards", {})[name] = shard
                shard["ending_sequence_number"] = ending
        return answer

    return reshard


def _update_shard_count(request: Request) -> Any:
    """Close all shards and open as many as are wanted, with the parents whose keys they take."""
    stream = kinesis._resolve_stream(request)[1]
    if stream is None:
        name = request.get("StreamName")
        words = f"Stream {name} not found"
        return responses.error_response_json("ResourceNotFoundException", words, 400)
    before, target = stream["shards"], int(request["TargetShardCount"])
    first = 1 + max(int(name.rpartition("-")[2]) for name in before)
    stream["shards"] = kinesis._build_shards(target, first)
    for shard in stream["shards"].values():
        low, high = int(shard["starting_hash_key"]), int(shard["ending_hash_key"])
        parents = [
            name
            for name, parent in before.items()
            if int(parent["starting_hash_key"]) <= high and int(parent["ending_hash_key"]) >= low
        ]
        shard["parent_shard_id"] = parents[0]
        shard["adjacent_parent_shard_id"] = parents[1] if parents[1:] else None
    return responses.json_response(
        {
            "StreamName": stream["StreamName"],
            "StreamARN": stream["StreamARN"],
            "CurrentShardCount": len(before),
            "TargetShardCount": target,
        }
    )


def _describing(operation: Callable[[Request], Any]) -> Any:
    def describe(request: Request) -> Any:
        stream = kinesis._resolve_stream(request)[1]
        if stream is not None:
            kinesis._ensure_active(stream)
        token = _wanted.set(_filter(request.get("ShardFilter") or {}))
        try:
            return operation(request)
        finally:
            _wanted.reset(token)

    return describe


def _filter(given: Mapping[str, Any]) -> Wanted:
    """Which shards a ShardFilter lets through (API Reference, ShardFilter)."""
    kind, moment = given.get("Type"), given.get("Timestamp") or 0
    seconds = float(moment.timestamp() if isinstance(moment, datetime) else moment)
    if kind == "AFTER_SHARD_ID":
        return lambda name, _shard: name > str(given.get("ShardId"))
    if kind == "AT_LATEST":
        return lambda _name, shard: "closed_at" not in shard
    if kind in ("AT_TIMESTAMP", "FROM_TIMESTAMP"):
        return lambda _name, shard: shard.get("closed_at", seconds + 1) >= seconds
    return lambda _name, _shard: True
