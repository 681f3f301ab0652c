"""The items that travel through a delivery stream, and those that leave it on the way."""

from dataclasses import dataclass, field

from local_aws.firehose.prefixes import Keys
from local_aws.streams.record import Record

PROCESSING_FAILED = "processing-failed"
CONVERSION_FAILED = "format-conversion-failed"
# "the rest of the records ... are delivered to the specified S3 error bucket prefix
# (activePartitionExceeded)" (Firehose's guide, Buffer data for dynamic partitioning).
TOO_MANY_PARTITIONS = "activePartitionExceeded"


@dataclass(frozen=True, slots=True)
class Item:
    """A record and what has become of it.

    Args:
        shard: The shard that it was read from.
        record: As it was put.
        data: As it is now.
        keys: Its partition keys.
    """

    shard: str
    record: Record
    data: bytes
    keys: Keys = field(default_factory=Keys)


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that goes to the error prefix.

    Args:
        item: The record, as it was when it failed.
        kind: Which folder of errors it belongs to.
        code: Firehose's code.
        message: What was wrong.
        attempts: How often it was tried.
    """

    item: Item
    kind: str
    code: str
    message: str
    attempts: int = 1


class DeliveryBlockedError(Exception):
    """Nothing can be delivered now, through no fault of the records; they are kept."""
