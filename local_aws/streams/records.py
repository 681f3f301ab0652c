"""Every stream's records and how far each consumer has read them, in one SQLite file.

What `append` has returned for outlives a kill of the server; a consumer's position does, once
`commit` has returned. So a consumer that commits after it has acted sees each record at least once.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from local_aws.streams.record import Entry, Record

_SCHEMA = """
CREATE TABLE IF NOT EXISTS shards (
    id INTEGER PRIMARY KEY, stream TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (stream, name)
);
CREATE TABLE IF NOT EXISTS records (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, shard INTEGER NOT NULL, arrival REAL NOT NULL,
    bucket INTEGER NOT NULL, key TEXT NOT NULL, data BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS records_of_a_shard ON records (shard, sequence);
CREATE TABLE IF NOT EXISTS positions (
    consumer TEXT NOT NULL, shard INTEGER NOT NULL, lane INTEGER NOT NULL,
    position INTEGER NOT NULL, PRIMARY KEY (consumer, shard, lane)
) WITHOUT ROWID;
"""
_EXPIRED_AT_ONCE = 20_000


class RecordLog:
    """Records by stream and shard, shared by all threads of the server.

    log.append("arn:...@1", [Entry("shardId-000000000000", "customer-7", b"{}")])
    log.read(log.shard("arn:...@1", "shardId-000000000000"), after=0, limit=100)

    Args:
        path: The file; made if absent.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._local = threading.local()
        self._writing = threading.RLock()
        self._arrived = threading.Condition()
        self._wakes = 0
        self._latest: dict[int, int] = {}
        self._shards: dict[tuple[str, str], int] = {}
        connection = self._connection()
        connection.executescript(_SCHEMA)
        row = connection.execute("SELECT seq FROM sqlite_sequence").fetchone()
        self._last = 0 if row is None else int(row[0])
        for number, stream, name in connection.execute("SELECT id, stream, name FROM shards"):
            self._shards[stream, name] = number
            self._latest[number] = self._last

    @property
    def last(self) -> int:
        """The position of the newest record of all; later ones are higher."""
        return self._last

    def shard(self, stream: str, name: str) -> int:
        """The number of a shard, given to it when it is first asked for."""
        known = self._shards.get((stream, name))
        if known is not None:
            return known
        with self._write() as connection:
            known = self._shards.get((stream, name))
            if known is not None:
                return known
            query = "INSERT INTO shards (stream, name) VALUES (?, ?) RETURNING id"
            number = int(connection.execute(query, (stream, name)).fetchone()[0])
        self._shards[stream, name] = number
        return number

    def shard_names(self, stream: str) -> list[str]:
        """All shards of a stream that ever held records, sorted."""
        return sorted(name for known, name in list(self._shards) if known == stream)

    def append(self, stream: str, entries: Sequence[Entry]) -> list[int]:
        """Keep records; their positions, in order."""
        now = round(time.time(), 3)
        with self._write() as connection:
            first = self._last + 1
            rows = [
                (first + i, self.shard(stream, e.shard), now, e.bucket, e.key, e.data)
                for i, e in enumerate(entries)
            ]
            connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", rows)
            self._last += len(rows)
        with self._arrived:
            for row in rows:
                self._latest[row[1]] = row[0]
            self._arrived.notify_all()
        return [row[0] for row in rows]

    def read(
        self, shard: int, *, after: int, limit: int, lane: int = 0, lanes: int = 1
    ) -> list[Record]:
        """The next records of a shard, or of one lane of it, oldest first."""
        query = (
            "SELECT sequence, arrival, key, data FROM records WHERE shard = ? AND sequence > ?"
            " AND bucket % ? = ? ORDER BY sequence LIMIT ?"
        )
        rows = self._connection().execute(query, (shard, after, lanes, lane, limit))
        return [Record(*row) for row in rows]

    def first_since(self, shard: int, moment: float) -> int:
        """The position of a shard's first record that arrived at a moment or later.

        If there is none yet, that of the next record to come.
        """
        query = (
            "SELECT sequence FROM records WHERE shard = ? AND arrival >= ?"
            " ORDER BY sequence LIMIT 1"
        )
        row = self._connection().execute(query, (shard, moment)).fetchone()
        return self._last + 1 if row is None else int(row[0])

    def latest(self, shard: int) -> int:
        """A position that no record of a shard that is there now is beyond."""
        return self._latest.get(shard, 0)

    def wait(self, shard: int, after: int, seconds: float) -> None:
        """Wait until a shard has a record after a position, some time has passed, or `wake`."""
        self._wait(lambda: self._latest.get(shard, 0) > after, seconds)

    def wait_for_any(self, after: int, seconds: float) -> None:
        """Wait until there is any record after a position, some time has passed, or `wake`."""
        self._wait(lambda: self._last > after, seconds)

    def _wait(self, has_come: Callable[[], bool], seconds: float) -> None:
        with self._arrived:
            wakes = self._wakes
            self._arrived.wait_for(lambda: has_come() or self._wakes != wakes, seconds)

    def wake(self) -> None:
        """End every `wait`."""
        with self._arrived:
            self._wakes += 1
            self._arrived.notify_all()

    def open_lanes(self, consumer: str, shard: int, lanes: int, start: int) -> list[int]:
        """How far each lane of a consumer has read a shard.

        Args:
            consumer: Whose positions these are.
            shard: The shard.
            lanes: How many lanes it has now. If it had another number before, each of them starts
                where the slowest was, so that some records are seen again and none is missed.
            start: Where a consumer starts that has not read this shard.
        """
        query = "SELECT position FROM positions WHERE consumer = ? AND shard = ? ORDER BY lane"
        with self._write() as connection:
            known = [int(row[0]) for row in connection.execute(query, (consumer, shard))]
            if len(known) == lanes:
                return known
            positions = [min(known, default=start)] * lanes
            connection.execute(
                "DELETE FROM positions WHERE consumer = ? AND shard = ?", (consumer, shard)
            )
            for lane, position in enumerate(positions):
                self.commit(consumer, shard, position, lane=lane)
        return positions

    def has_read(self, consumer: str, shard: int) -> bool:
        """Whether a consumer is done with all that a shard has."""
        query = "SELECT lane, position FROM positions WHERE consumer = ? AND shard = ?"
        lanes = self._connection().execute(query, (consumer, shard)).fetchall()
        return bool(lanes) and not any(
            self.read(shard, after=position, limit=1, lane=lane, lanes=len(lanes))
            for lane, position in lanes
        )

    def commit(self, consumer: str, shard: int, position: int, *, lane: int = 0) -> None:
        """Remember that a consumer is done with a lane's records up to a position."""
        with self._write() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?)",
                (consumer, shard, lane, position),
            )

    def forget_consumer(self, consumer: str) -> None:
        """Delete a consumer's positions."""
        with self._write() as connection:
            connection.execute("DELETE FROM positions WHERE consumer = ?", (consumer,))

    def forget_stream(self, stream: str) -> None:
        """Delete a stream's records."""
        for name in self.shard_names(stream):
            self.trim(self._shards[stream, name], self._last + 1)

    def expire(self, stream: str, before: float) -> None:
        """Delete what arrived before a moment."""
        for name in self.shard_names(stream):
            shard = self._shards[stream, name]
            self.trim(shard, self.first_since(shard, before))

    def trim(self, shard: int, before: int) -> None:
        """Delete a shard's records before a position, some at a time so that writers get in."""
        query = (
            "DELETE FROM records WHERE sequence IN"
            " (SELECT sequence FROM records WHERE shard = ? AND sequence < ? LIMIT ?)"
        )
        deleted = _EXPIRED_AT_ONCE
        while deleted == _EXPIRED_AT_ONCE:
            with self._write() as connection:
                deleted = connection.execute(query, (shard, before, _EXPIRED_AT_ONCE)).rowcount

    def _connection(self) -> sqlite3.Connection:
        """This thread's own connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=30, isolation_level=None)
            # A killed process loses nothing that the system has taken; only a power cut would.
            connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF")
            self._local.connection = connection
        return connection

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """One transaction at a time; a nested one is part of the outermost."""
        connection = self._connection()
        with self._writing:
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
