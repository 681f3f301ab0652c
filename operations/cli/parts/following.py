"""Waiting for what goes on in AWS by itself: a pipeline's execution, a deployment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from operations.console import table
from operations.errors import OperationError, StoppedWaitingError

if TYPE_CHECKING:
    from rich.table import Table

    from operations.executions import PipelineExecution

__all__ = ["interruptible", "steps_table", "unattended"]


@contextmanager
def interruptible(goes_on: str) -> Iterator[None]:
    """Ends on Ctrl-C with what goes on by itself.

    Raises:
        StoppedWaitingError: On Ctrl-C.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedWaitingError(f"no longer waiting; {goes_on}") from None


@contextmanager
def unattended(goes_on: str) -> Iterator[None]:
    """The same, also where nobody can wait any longer.

    Raises:
        StoppedWaitingError: On Ctrl-C.
        OperationError: If AWS cannot be asked any more; a session's credentials may have expired.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        with interruptible(goes_on):
            yield
    except (BotoCoreError, ClientError) as error:
        raise OperationError(f"cannot wait any longer: {error}; {goes_on}") from error


def steps_table(execution: PipelineExecution) -> Table:
    """A pipeline execution as it stands, one row a step."""
    rows = []
    for each in execution.steps:
        # A condition's outcome is its state.
        detail = each.detail if each.state == each.status else ""
        rows.append((each.name, each.state, f"{each.seconds:.1f}", detail))
    title = f"{execution.name}: {execution.status}"
    columns = ["step", "state", "seconds", "evidence"]
    return table(title, columns, rows, cut=["evidence"])
