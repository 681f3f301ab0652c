"""What long work says while it goes on."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from operations import progress


class _Said(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.updates: list[progress.Update] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.updates.append(record.__dict__["update"])


@contextmanager
def said() -> Iterator[list[progress.Update]]:
    """The updates that are said meanwhile."""
    handler = _Said()
    progress.logger.addHandler(handler)
    try:
        yield handler.updates
    finally:
        progress.logger.removeHandler(handler)
