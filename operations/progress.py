"""What long work says while it goes on; it does not know who reads it, and how.

    progress.update("upload", "12 of 40 files", passing=True)
    progress.update("upload", "40 files", ended=True)

It is said to a logger, which says it to nobody until the command has it `shown`.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Display", "Update", "activity", "count", "finish", "logger", "update"]

logger = logging.getLogger("fraudloop.progress")
logger.setLevel(logging.INFO)

# Each thread has its own: what goes on beside an activity is no part of it.
_within: ContextVar[tuple[str, ...]] = ContextVar("within", default=())


class Display(StrEnum):
    """How progress is shown: live on a terminal and as lines elsewhere, if not asked otherwise."""

    AUTO = "auto"
    LINES = "lines"
    JSON = "json"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """How one thing stands.

    Attributes:
        item: What: a stack, a step, an upload.
        state: How it stands, in a few words.
        ended: Whether nothing more is to come of it.
        failed: Whether it went wrong.
        passing: Whether another state will soon take this one's place.
        seconds: How long it has gone on; None if whoever says so does not know.
        within: The activities that it is a part of, the outermost first.
    """

    item: str
    state: str
    ended: bool = False
    failed: bool = False
    passing: bool = False
    seconds: float | None = None
    within: tuple[str, ...] = ()


def update(
    item: str,
    state: str,
    *,
    ended: bool = False,
    failed: bool = False,
    passing: bool = False,
    seconds: float | None = None,
) -> None:
    """Say how a thing stands; the arguments are an `Update`'s."""
    now = Update(
        item=item,
        state=state,
        ended=ended,
        failed=failed,
        passing=passing,
        seconds=seconds,
        within=_within.get(),
    )
    logger.info("%s: %s", item, state, extra={"update": now})


def count(item: str, done: int, total: int, unit: str) -> None:
    """Say that so many of so many are done: `12 of 40 files`."""
    ended = done >= total
    state = f"{total:,} {unit}" if ended else f"{done:,} of {total:,} {unit}"
    update(item, state, ended=ended, passing=not ended)


@contextmanager
def activity(name: str) -> Iterator[None]:
    """A thing that others are a part of; on a terminal these go when it ends."""
    update(name, "began")
    token, failed = _within.set((*_within.get(), name)), True
    try:
        yield
        failed = False
    finally:
        _within.reset(token)
        update(name, "failed" if failed else "done", ended=True, failed=failed)


def finish() -> None:
    """Take a live display away: a result is about to be printed."""
    for handler in logger.handlers:
        handler.flush()
