"""Following on the terminal what goes on in AWS: a pipeline's execution, a deployment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from operations.console import errors, people, table, tell
from operations.errors import OperationError, StoppedWaitingError

if TYPE_CHECKING:
    from rich.console import Console

    from operations.executions import PipelineExecution

__all__ = ["follow", "shown_live", "steps_table", "unattended"]


@contextmanager
def unattended(goes_on: str) -> Iterator[None]:
    """Ends a wait that cannot be, or is not to be, waited to its end with what goes on without it.

    Raises:
        StoppedWaitingError: On Ctrl-C.
        OperationError: If AWS cannot be asked any more; a session's credentials may have expired.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except KeyboardInterrupt:
        raise StoppedWaitingError(f"no longer waiting; {goes_on}") from None
    except (BotoCoreError, ClientError) as error:
        raise OperationError(f"cannot wait any longer: {error}; {goes_on}") from error


def steps_table(execution: PipelineExecution) -> object:
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
def follow(json: str | None) -> Iterator[Callable[[PipelineExecution], None]]:
    """Shows each state that it is told, in place, on a terminal; elsewhere a line for each."""
    from rich.live import Live

    if not shown_live(json):
        yield _lines()
        return
    with Live(console=_console(json)) as live:
        yield lambda now: live.update(steps_table(now))  # type: ignore[arg-type]


def _lines() -> Callable[[PipelineExecution], None]:
    told: dict[str, str] = {}

    def show(now: PipelineExecution) -> None:
        for step in now.steps:
            if told.get(step.name) != step.status:
                tell(f"{now.name}: {step.name} {step.status}")
            told[step.name] = step.status

    return show


def _console(json: str | None) -> Console:
    # Where a result is written to stdout, nothing else is.
    return errors() if json == "-" else people()
