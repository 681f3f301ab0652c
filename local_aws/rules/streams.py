"""Kinesis: resharding and retention (API Reference, of each operation).

The words are AWS's, as moto's tests and exceptions have them (getmoto/moto, moto/kinesis).
"""

from collections.abc import Mapping
from typing import Any

from local_aws import adapter
from local_aws.adapter.kinesis import KinesisError, Stream, all_streams, find_stream
from local_aws.adapter.operations import Refusal
from local_aws.guesses import Guess, guessed
from local_aws.quotas import limits

_TAGS = 50
_HOURS = (24, 8760)


def _argument(words: str) -> Refusal:
    return Refusal("InvalidArgumentException", words, 400)


def found(given: Mapping[str, Any]) -> Stream | None:
    """The stream of a request; one that is not there is for Kinesis to refuse."""
    try:
        return find_stream(dict(given))
    except KinesisError:
        return None


def _place(stream: Stream) -> str:
    name = stream.arn.rpartition("/")[2]
    return f"in stream {name} under account {adapter.current_account()}"


def _open(stream: Stream, shard: str) -> Refusal | None:
    if shard in stream.closed:
        reason = (
            "has already been merged or split, and thus is not eligible for merging or splitting"
        )
        return _argument(f"Shard {shard} {_place(stream)} {reason}.")
    if shard in stream.shards:
        return None
    words = f"Could not find shard {shard} {_place(stream)}."
    return Refusal("ResourceNotFoundException", words, 400)


def _split(given: Mapping[str, Any]) -> Refusal | None:
    stream, shard = found(given), str(given["ShardToSplit"])
    if stream is None or (refused := _open(stream, shard)) is not None:
        return None if stream is None else refused
    key, (first, last) = int(given["NewStartingHashKey"]), stream.shards[shard]
    if first + 1 < key < last:
        return None
    return _argument(
        f"NewStartingHashKey {key} used in SplitShard() on shard {shard} {_place(stream)} is not "
        f"both greater than one plus the shard's StartingHashKey {first} and less than the "
        f"shard's EndingHashKey {last}."
    )


def _merge(given: Mapping[str, Any]) -> Refusal | None:
    stream = found(given)
    if stream is None:
        return None
    shards = [str(given["ShardToMerge"]), str(given["AdjacentShardToMerge"])]
    refused = _open(stream, shards[0]) or _open(stream, shards[1])
    if refused is not None:
        return refused
    low, high = sorted(stream.shards[shard] for shard in shards)
    if low[1] + 1 == high[0]:
        return None
    pair = " and ".join(shards)
    return _argument(f"Shards {pair} {_place(stream)} are not an adjacent pair of shards.")


def _count(given: Mapping[str, Any]) -> Refusal | None:
    """ "You cannot scale up to more than double your current shard count", nor below half."""
    stream, target = found(given), int(given["TargetShardCount"])
    if stream is None:
        return None
    current = len(stream.shards)
    if target == current or not current <= 2 * target <= 4 * current:
        words = f"UpdateShardCount cannot scale from {current} to {target} shards: "
        return _argument(guessed(f"{words}it takes from half to twice as many.", Guess.WORDS))
    return None


def _shards(given: Mapping[str, Any]) -> Refusal | None:
    """kinesalite's tests have the words of AWS (mhart/kinesalite, test/createStream.js)."""
    wanted, most = given.get("ShardCount", 0), limits.limit("kinesis", "Shards per Region")
    used = sum(len(stream.shards) for stream in all_streams() if not stream.on_demand)
    if most is None or used + wanted <= most:
        return None
    words = (
        f"This request would exceed the shard limit for the account {adapter.current_account()} in "
        f"{adapter.current_region()}. Current shard count for the account: {used}. Limit: "
        f"{most:.0f}. Number of additional shards that would have resulted from this request: "
        f"{wanted}. Refer to the AWS Service Limits page "
        "(http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits "
        "and how to request higher limits."
    )
    return Refusal("LimitExceededException", words, 400)


def _retention(*, longer: bool) -> Any:
    def rule(given: Mapping[str, Any]) -> Refusal | None:
        stream, hours = found(given), int(given["RetentionPeriodHours"])
        if hours < _HOURS[0]:
            words = f"Requested retention period ({hours} hours) is too short."
            return _argument(f"Minimum allowed retention period is 24 hours. {words}")
        if hours > _HOURS[1]:
            words = f"Requested retention period ({hours} hours) is too long."
            return _argument(f"Maximum allowed retention period is 8760 hours. {words}")
        now = hours if stream is None else stream.retention_seconds // 3600
        if hours != now and (hours > now) != longer:
            than, other = ("shorter", "Decrease") if longer else ("longer", "Increase")
            return _argument(
                f"Requested retention period ({hours} hours) for stream can not be {than} than "
                f"existing retention period ({now} hours). Use {other}RetentionPeriod API."
            )
        return None

    return rule


def _tags(given: Mapping[str, Any]) -> Refusal | None:
    if len(given["Tags"]) <= _TAGS:
        return None
    return _argument(guessed(f"A stream has {_TAGS} tags at most.", Guess.WORDS))


RULES = {
    "AddTagsToStream": _tags,
    "CreateStream": _shards,
    "DecreaseStreamRetentionPeriod": _retention(longer=False),
    "IncreaseStreamRetentionPeriod": _retention(longer=True),
    "MergeShards": _merge,
    "SplitShard": _split,
    "UpdateShardCount": _count,
}
