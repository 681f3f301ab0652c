"""What a shard takes in a second (Kinesis Data Streams Developer Guide, "Quotas and limits").

A shard takes 1,000 records or 1 MB. A new on-demand stream takes what four do, "4 MB/second and
4,000 records/second", in as many shards as it has; that it grows with its traffic is left out.
"""

import threading

from local_aws.adapter.kinesis import Stream
from local_aws.quotas import limits
from local_aws.quotas.rates import Bucket
from local_aws.streams.record import Entry

_ON_DEMAND_SHARDS = 4


class ShardRates:
    """Counts what comes to every shard; for any thread."""

    def __init__(self) -> None:
        self._shards: dict[tuple[str, str], tuple[Bucket, Bucket]] = {}
        self._lock = threading.Lock()

    def admit(self, stream: Stream, entry: Entry) -> bool:
        """Whether a record's shard takes it now."""
        name = stream.log_name, entry.shard
        with self._lock:
            if (rates := self._shards.get(name)) is None:
                rates = self._shards[name] = _new(stream)
            records, data = rates
            size = min(len(entry.data) + len(entry.key.encode()), data.burst)
            return data.has(size) and records.take() and data.take(size)

    def forget(self, stream: Stream) -> None:
        """Count nothing any more of a stream that is deleted."""
        with self._lock:
            for name in [name for name in self._shards if name[0] == stream.log_name]:
                del self._shards[name]


def _new(stream: Stream) -> tuple[Bucket, Bucket]:
    share = max(1.0, _ON_DEMAND_SHARDS / len(stream.shards)) if stream.on_demand else 1.0
    records = limits.limit("kinesis", "Records written to a shard per second") or 0.0
    data = limits.limit("kinesis", "Bytes written to a shard per second") or 0.0
    return Bucket(records * share), Bucket(data * share)
