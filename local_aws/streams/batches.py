"""The retries of batches that a function did not fully process: Lambda's rules for streams."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from local_aws.streams.record import Record


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Records that are invoked together.

    Args:
        records: In the shard's order.
        retries: How often they have been retried; splitting does not count.
    """

    records: tuple[Record, ...]
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do after an invocation.

    Args:
        done: Records that are processed.
        discarded: What is given up after `done`, if anything.
        again: What is to be invoked next, in this order.
        wait: Whether to wait before that.
    """

    done: tuple[Record, ...] = ()
    discarded: RecordBatch | None = None
    again: Sequence[RecordBatch] = field(default_factory=tuple)
    wait: bool = False


def judge(batch: RecordBatch, first_failed: int | None, *, retries: int, bisect: bool) -> Verdict:
    """Decide what becomes of a batch.

    Args:
        batch: What was invoked.
        first_failed: Index of the first record that failed: 0 if all did, None if none did.
        retries: How many retries are allowed; negative for any number.
        bisect: Whether a failed batch is split before it is retried.
    """
    if first_failed is None:
        return Verdict(done=batch.records)
    done, rest = batch.records[:first_failed], batch.records[first_failed:]
    if bisect and len(batch.records) > 1:
        if done:
            # Reported failures split the batch there, and only what is left is invoked again.
            return Verdict(done=done, again=(replace(batch, records=rest),))
        half = len(rest) // 2
        halves = (replace(batch, records=rest[:half]), replace(batch, records=rest[half:]))
        return Verdict(again=halves)
    # With progress it is another record that fails, for the first time.
    used = 0 if done else batch.retries
    if 0 <= retries <= used:
        return Verdict(done=done, discarded=RecordBatch(rest, used))
    return Verdict(done=done, again=(RecordBatch(rest, used + 1),), wait=True)


def first_failure(records: Sequence[Record], answer: Any) -> int | None:
    """What a function that reports batch item failures says: the lowest index that failed.

    Lambda takes nothing, an empty answer and an empty list for success. It takes whatever it cannot
    understand, and a sequence number that is not of the batch, for the failure of all.
    """
    if answer is None or answer == {}:
        return None
    if not isinstance(answer, dict) or "batchItemFailures" not in answer:
        return 0
    failures = answer["batchItemFailures"]
    if failures is None or failures == []:
        return None
    positions = {record.number: index for index, record in enumerate(records)}
    try:
        return min(positions[failure["itemIdentifier"]] for failure in failures)
    except (KeyError, TypeError):
        return 0


def split_expired(
    batch: RecordBatch, before: float
) -> tuple[RecordBatch | None, RecordBatch | None]:
    """The part of a batch that arrived before a moment, and the rest; None for an empty one."""
    count = next(
        (i for i, record in enumerate(batch.records) if record.arrival >= before),
        len(batch.records),
    )
    parts = batch.records[:count], batch.records[count:]
    expired, rest = (replace(batch, records=part) if part else None for part in parts)
    return expired, rest
