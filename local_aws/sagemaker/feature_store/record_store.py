"""Feature records on disk: the online store, and what waits to go to the offline store.

Both are tables of one SQLite file. A write is in the file when it is answered, so that a killed
server loses none; a crash of the machine may lose the last ones, as nothing is forced to its disk.
"""

import json
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS online (
    grp TEXT NOT NULL, identifier TEXT NOT NULL, event_us INTEGER NOT NULL, expires_us INTEGER,
    deleted INTEGER NOT NULL, record TEXT NOT NULL, PRIMARY KEY (grp, identifier)
);
CREATE TABLE IF NOT EXISTS pending (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, grp TEXT NOT NULL, event_us INTEGER NOT NULL,
    written_us INTEGER NOT NULL, deleted INTEGER NOT NULL, record TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS pending_by_group ON pending (grp, seq);
"""
_PUT = """
INSERT INTO online VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (grp, identifier) DO UPDATE SET event_us = excluded.event_us,
    expires_us = excluded.expires_us, deleted = excluded.deleted, record = excluded.record
WHERE excluded.event_us >= online.event_us
"""
_GET = "SELECT event_us, expires_us, deleted, record FROM online WHERE grp = ? AND identifier = ?"


@dataclass(frozen=True, slots=True)
class OnlineRecord:
    """A record of the online store."""

    event_us: int
    expires_us: int | None
    deleted: bool
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Pending:
    """A write that the offline store has not got yet."""

    seq: int
    event_us: int
    written_us: int
    deleted: bool
    values: dict[str, str]


class RecordStore:
    """Records by group and identifier, the newest event time winning; safe from any thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=OFF", "cache_size=-65536"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(_SCHEMA)

    def put(self, group: str, identifier: str, kept: OnlineRecord) -> bool:
        """Keep a record unless there is a newer one; whether it was kept."""
        text = json.dumps(kept.values)
        row = (group, identifier, kept.event_us, kept.expires_us, kept.deleted, text)
        with self._lock:
            return self._connection.execute(_PUT, row).rowcount == 1

    def get(self, group: str, identifier: str) -> OnlineRecord | None:
        """The record, unless it is deleted or has expired."""
        kept = self.get_any(group, identifier)
        return None if kept is None or kept.deleted else kept

    def get_any(self, group: str, identifier: str) -> OnlineRecord | None:
        """The record, even if it is deleted, unless it has expired."""
        with self._lock:
            row = self._connection.execute(_GET, (group, identifier)).fetchone()
        if row is None or (row[1] is not None and row[1] <= time.time_ns() // 1000):
            return None
        return OnlineRecord(row[0], row[1], bool(row[2]), json.loads(row[3]))

    def remove(self, group: str, identifier: str) -> None:
        """Forget a record as if it had never been."""
        with self._lock:
            self._connection.execute(
                "DELETE FROM online WHERE grp = ? AND identifier = ?", (group, identifier)
            )

    def identifiers(self, group: str, after: str, count: int, *, with_deleted: bool) -> list[str]:
        """The identifiers that follow one, in order."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT identifier FROM online WHERE grp = ? AND identifier > ? AND deleted <= ?"
                " AND (expires_us IS NULL OR expires_us > ?) ORDER BY identifier LIMIT ?",
                (group, after, with_deleted, time.time_ns() // 1000, count),
            ).fetchall()
        return [row[0] for row in rows]

    def size(self, group: str) -> int:
        """About how many bytes a group takes online."""
        with self._lock:
            row = self._connection.execute(
                "SELECT sum(length(record)) FROM online WHERE grp = ?", (group,)
            ).fetchone()
        return int(row[0] or 0)

    def append(self, group: str, event_us: int, values: dict[str, str], *, deleted: bool) -> None:
        """Queue a write for the offline store."""
        row = (group, event_us, time.time_ns() // 1000, deleted, json.dumps(values))
        with self._lock:
            self._connection.execute(
                "INSERT INTO pending (grp, event_us, written_us, deleted, record)"
                " VALUES (?, ?, ?, ?, ?)",
                row,
            )

    def waiting(self) -> list[tuple[str, int, int, int]]:
        """Of each group with pending writes: name, count, oldest and newest write time."""
        with self._lock:
            return self._connection.execute(
                "SELECT grp, count(*), min(written_us), max(written_us) FROM pending GROUP BY grp"
            ).fetchall()

    def pending(self, group: str, count: int) -> list[Pending]:
        """A group's oldest pending writes."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT seq, event_us, written_us, deleted, record FROM pending WHERE grp = ?"
                " ORDER BY seq LIMIT ?",
                (group, count),
            ).fetchall()
        return [Pending(r[0], r[1], r[2], bool(r[3]), json.loads(r[4])) for r in rows]

    def settle(self, group: str, last_seq: int) -> None:
        """Forget pending writes up to one that has arrived."""
        with self._lock:
            self._connection.execute(
                "DELETE FROM pending WHERE grp = ? AND seq <= ?", (group, last_seq)
            )

    def forget(self, group: str) -> None:
        """Drop a whole group's records, those that are pending included."""
        with self._lock:
            self._connection.execute("DELETE FROM online WHERE grp = ?", (group,))
            self._connection.execute("DELETE FROM pending WHERE grp = ?", (group,))

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._connection.execute("DELETE FROM online")
            self._connection.execute("DELETE FROM pending")

    def close(self) -> None:
        """Release the file."""
        self._connection.close()
