"""Following a pipeline's execution on the terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live

from operations.console import errors, people, table
from operations.executions import Execution

__all__ = ["follow", "shown_live", "steps_table"]


def steps_table(execution: Execution) -> object:
    """A pipeline execution as it stands, one row a step."""
    rows = [
        (step.name, step.status, f"{step.seconds:.1f}", step.detail) for step in execution.steps
    ]
    title = f"{execution.name}: {execution.status}"
    return table(title, ["step", "status", "seconds", "evidence"], rows)


def shown_live(json: str | None) -> bool:
    """Whether what is followed can be seen meanwhile; `json` is the verb's own option."""
    return _console(json).is_terminal


@contextmanager
def follow(json: str | None) -> Iterator[Callable[[Execution], None]]:
    """Shows each state that it is told, in place, on a terminal; elsewhere it shows nothing."""
    if not shown_live(json):
        yield lambda _: None
        return
    with Live(console=_console(json)) as live:
        yield lambda now: live.update(steps_table(now))  # type: ignore[arg-type]


def _console(json: str | None) -> Console:
    # Where a result is written to stdout, nothing else is.
    return errors if json == "-" else people
