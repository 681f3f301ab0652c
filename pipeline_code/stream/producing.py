"""Puts records onto a stream, whatever it refuses at first, in the order of each key.

PutRecords takes some records of a request and refuses others, and those it takes may come in
another order. So a request holds one record of a key, and the key's next record follows only when
it was taken.
"""

import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Entry", "put_all"]

# Limits of PutRecords; half of what it allows in bytes.
RECORDS_AT_ONCE = 500
BYTES_AT_ONCE = 2 * 1024 * 1024
ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Entry:
    """One record to put; records of a key stay in order."""

    key: str
    data: bytes


def put_all(client: Any, stream: str, entries: Iterable[Entry]) -> Mapping[int, str]:
    """Puts the entries onto the stream.

    Args:
        client: A boto3 client of kinesis.
        stream: The stream's name.
        entries: What to put; without an end only if the stream takes all of it.

    Returns:
        The places of the entries that were not taken, with the reason: those that were refused time
        and again, and those of the same key behind them.
    """
    waiting = _PendingEntries(entries)
    failures = 0
    while request := waiting.next_request():
        answer = client.put_records(
            StreamName=stream,
            Records=[{"PartitionKey": entry.key, "Data": entry.data} for _, entry in request],
        )["Records"]
        refused = [_reason(result) for result in answer]
        for (_, entry), reason in zip(request, refused, strict=True):
            if reason is None:
                waiting.taken(entry.key)
        failures = 0 if any(reason is None for reason in refused) else failures + 1
        if failures == ATTEMPTS:
            return waiting.rest(next(reason for reason in refused if reason is not None))
        if any(refused):
            time.sleep(FIRST_PAUSE_SECONDS * 2**failures)
    return {}


def _reason(result: Mapping[str, Any]) -> str | None:
    if "ErrorCode" not in result:
        return None
    return f"{result['ErrorCode']}: {result.get('ErrorMessage', '')}"


class _PendingEntries:
    """The entries that were not taken yet, by key."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._queues: dict[str, deque[tuple[int, Entry]]] = {}
        for index, entry in enumerate(entries):
            self._queues.setdefault(entry.key, deque()).append((index, entry))

    def next_request(self) -> list[tuple[int, Entry]]:
        """The first entry of as many keys as fit into a request."""
        request: list[tuple[int, Entry]] = []
        size = 0
        for queue in self._queues.values():
            index, entry = queue[0]
            size += len(entry.key) + len(entry.data)
            if request and (len(request) == RECORDS_AT_ONCE or size > BYTES_AT_ONCE):
                break
            request.append((index, entry))
        return request

    def taken(self, key: str) -> None:
        """Takes out the key's first entry; the key goes behind the others."""
        queue = self._queues.pop(key)
        queue.popleft()
        if queue:
            self._queues[key] = queue

    def rest(self, reason: str) -> dict[int, str]:
        """All that is left, for one reason."""
        return {index: reason for queue in self._queues.values() for index, _ in queue}
