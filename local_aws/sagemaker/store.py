"""The local SageMaker's store of resources: JSON documents in one SQLite file."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Document = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (
    kind TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (kind, name)
) WITHOUT ROWID
"""


class Store:
    """Documents by kind and name, shared by all threads of the server; survives a restart.

    Times in documents are epoch seconds (floats). What `get` and `list` return are copies: a
    change is kept by `put` or `update` only.

        store.put("pipeline", "train", {"PipelineStatus": "Active"})
        store.update("pipeline", "train", lambda document: document.update(Runs=1))
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        # Autocommit: every statement is durable by itself; `transaction` groups several.
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Several reads and writes as one; yields the connection for tables of one's own."""
        with self._lock:
            if self._connection.in_transaction:  # nested: the outermost one commits
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def put(self, kind: str, name: str, document: Document) -> None:
        """Keep a document, in place of the one of this name if there is one."""
        with self._lock:
            self._connection.execute(
                "INSERT OR REPLACE INTO resources VALUES (?, ?, ?)",
                (kind, name, json.dumps(document)),
            )

    def add(self, kind: str, name: str, document: Document) -> bool:
        """Keep a new document; False, and nothing is changed, if the name is taken."""
        with self._lock:
            cursor = self._connection.execute(
                "INSERT OR IGNORE INTO resources VALUES (?, ?, ?)",
                (kind, name, json.dumps(document)),
            )
            return cursor.rowcount == 1

    def get(self, kind: str, name: str) -> Document | None:
        """The document of this name, or None."""
        with self._lock:
            row = self._connection.execute(
                "SELECT document FROM resources WHERE kind = ? AND name = ?", (kind, name)
            ).fetchone()
        return None if row is None else _document(row[0])

    def update(self, kind: str, name: str, change: Callable[[Document], object]) -> Document | None:
        """Change a document in place, safely against other threads; the result, None if absent."""
        with self.transaction():
            document = self.get(kind, name)
            if document is not None:
                change(document)
                self.put(kind, name, document)
            return document

    def delete(self, kind: str, name: str) -> bool:
        """Forget a document; False if there was none."""
        with self._lock:
            cursor = self._connection.execute(
                "DELETE FROM resources WHERE kind = ? AND name = ?", (kind, name)
            )
            return cursor.rowcount == 1

    def list(self, kind: str, prefix: str = "") -> list[Document]:
        """All documents of a kind, by name; with a prefix, those whose name starts with it."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT document FROM resources WHERE kind = ? AND substr(name, 1, ?) = ?"
                " ORDER BY name",
                (kind, len(prefix), prefix),
            ).fetchall()
        return [_document(row[0]) for row in rows]

    def items(self, kind: str) -> dict[str, Document]:
        """All documents of a kind, by name."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT name, document FROM resources WHERE kind = ? ORDER BY name", (kind,)
            ).fetchall()
        return {name: _document(text) for name, text in rows}

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._connection.execute("DELETE FROM resources")

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._connection.close()


def _document(text: str) -> Document:
    document: Document = json.loads(text)
    return document
