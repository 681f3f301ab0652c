"""Displays of progress: live on a terminal, as lines in a log, as JSON Lines for programs.

All of them are on stderr, so that a result on stdout stays alone there.
"""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from operations.console import errors
from operations.progress import Display, Update, logger

__all__ = ["Terminal", "shown"]

# In a log: of what another state will soon replace, one line in so many seconds is enough.
_PASSING_SECONDS = 5.0
_MINUTE = 60


@contextmanager
def shown(display: Display) -> Iterator[None]:
    """Show what is said meanwhile."""
    handler = _handler(display)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def _handler(display: Display) -> logging.Handler:
    if display is Display.NONE:
        return logging.NullHandler()
    if display is Display.JSON:
        return _JsonLines()
    is_live = errors().is_terminal and not errors().is_dumb_terminal
    return Terminal() if display is Display.AUTO and is_live else _Lines()


@dataclass
class _Item:
    """A thing as it was said to stand last, and since when, on this machine's clock."""

    begun: float
    last: Update
    printed: float | None = None
    took: float | None = None

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun if self.took is None else self.took


class _Changes(logging.Handler):
    """What differs from what was said last; `show` is told of it."""

    def __init__(self) -> None:
        super().__init__()
        self.items: dict[tuple[str, ...], _Item] = {}

    def emit(self, record: logging.LogRecord) -> None:
        now: Update = record.__dict__["update"]
        key = (*now.within, now.item)
        item = self.items.get(key)
        if item is None or (item.last.ended and not (now.ended or now.passing)):
            item = self.items[key] = _Item(time.monotonic() - (now.seconds or 0.0), now)
        elif (item.last.state, item.last.ended) == (now.state, now.ended):
            return
        elif item.last.ended and now.passing:
            return  # late: the CDK prints a resource's end after its stack's
        item.last = now
        if now.ended:
            item.took = item.seconds if now.seconds is None else now.seconds
        self.show(item)

    def show(self, item: _Item) -> None:
        """Show an item that has changed."""
        raise NotImplementedError


class _JsonLines(_Changes):
    def show(self, item: _Item) -> None:
        now = item.last
        document = {
            "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "item": now.item,
            "state": now.state,
            "ended": now.ended,
            "failed": now.failed,
            "seconds": round(item.seconds, 3),
            "within": now.within,
        }
        _print(json.dumps(document))


class _Lines(_Changes):
    def show(self, item: _Item) -> None:
        now, moment = item.last, time.monotonic()
        is_early = item.printed is not None and moment - item.printed < _PASSING_SECONDS
        if now.passing and is_early:
            return
        item.printed = moment
        told = f"{'  ' * len(now.within)}{now.item}: {now.state}"
        ended = f", {_duration(item.seconds)}" if now.ended else ""
        _print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {told}{ended}")


class Terminal(_Changes):
    """A table: what goes on, with its time so far, below what has ended."""

    def __init__(self) -> None:
        super().__init__()
        self._live: Live | None = None
        self._spinner = Spinner("dots")

    def show(self, item: _Item) -> None:
        if item.last.ended and not item.last.failed:
            path = (*item.last.within, item.last.item)
            for key in [key for key in self.items if len(key) > len(path)]:
                if key[: len(path)] == path:
                    del self.items[key]
        if self._live is None:
            self._live = Live(
                console=errors(),
                get_renderable=self.table,
                refresh_per_second=8,
                transient=True,
                redirect_stdout=False,
            )
            self._live.start()

    def flush(self) -> None:
        """Take the table away."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def close(self) -> None:
        """Leave the table where something has not ended: a failure or Ctrl-C came upon it."""
        is_broken_off = self._live is not None and any(
            item.last.failed or not item.last.ended for item in self.items.values()
        )
        self.flush()
        if is_broken_off:
            errors().print(self.table())
        super().close()

    def table(self) -> Table:
        """The table as it stands."""
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=1)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        table.add_column(justify="right", no_wrap=True)
        for key, item in list(self.items.items()):
            name = Text("  " * (len(key) - 1) + item.last.item)
            table.add_row(self._mark(item), name, Text(item.last.state), _duration(item.seconds))
        return table

    def _mark(self, item: _Item) -> Text | Spinner:
        if item.last.failed:
            return Text("✗", "red")
        if item.last.ended:
            return Text("✓", "green")
        return Text("·") if self._live is None else self._spinner


def _duration(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    return f"{minutes} min {rest:02d} s"


def _print(line: str) -> None:
    errors().print(line, markup=False, highlight=False, soft_wrap=True)
