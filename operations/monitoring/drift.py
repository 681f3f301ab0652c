"""Asking the monitors: run the analyzer now, and read what it found."""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta

from operations import progress
from operations.errors import OperationError
from operations.monitoring.findings import Finding, finding_of
from operations.monitoring.monitor_runs import Run, bring_labels, newest_job, started
from operations.target import Target
from pipeline_code.contracts.monitoring import MonitorKind

__all__ = ["Asked", "last", "run_all", "run_now"]

# What a kind found, or why it found nothing.
Asked = Finding | OperationError


def run_now(
    target: Target,
    *,
    window: timedelta | None = None,
    kind: MonitorKind = MonitorKind.DATA_QUALITY,
    labels: bool = True,
    timeout_seconds: float = 900.0,
) -> Finding:
    """Analyze what the endpoint captured lately, without waiting for the schedule.

    Args:
        window: How far back; if omitted, as far as when it is scheduled.
        kind: What is looked for.
        labels: Whether fraud reports are joined with predictions before, if the kind needs them.
        timeout_seconds: How long to wait for a job.

    Raises:
        OperationError: If the run fails, with the analyzer's own reason.
    """
    (asked,) = run_all(
        target, [kind], window=window, labels=labels, timeout_seconds=timeout_seconds
    )
    if isinstance(asked, OperationError):
        raise asked
    return asked


def run_all(
    target: Target,
    kinds: Sequence[MonitorKind],
    *,
    window: timedelta | None = None,
    labels: bool = True,
    timeout_seconds: float = 900.0,
) -> list[Asked]:
    """The same of several kinds at once, in their order; one that fails does not stop the others.

    If labels cannot be brought, the kinds that need them are not run.
    """
    failed: dict[MonitorKind, OperationError] = {}
    if labels and any(kind.needs_labels for kind in kinds):
        try:
            bring_labels(target, window, timeout_seconds)
        except OperationError as error:
            failed = {kind: error for kind in kinds if kind.needs_labels}
    runs: dict[MonitorKind, Run] = {}
    with ExitStack() as stack:
        for kind in kinds:
            if kind not in failed:
                try:
                    runs[kind] = stack.enter_context(started(target, kind, window))
                    progress.update(kind, "analyzes captures")
                except OperationError as error:
                    failed[kind] = error
        return [
            failed[kind] if kind in failed else _asked(target, kind, runs[kind], timeout_seconds)
            for kind in kinds
        ]


def _asked(target: Target, kind: MonitorKind, run: Run, timeout_seconds: float) -> Asked:
    try:
        finding = finding_of(target, kind, run.wait(timeout_seconds))
    except OperationError as error:
        progress.update(kind, "failed", ended=True, failed=True)
        return error
    progress.update(kind, finding.outcome, ended=True)
    return finding


def last(target: Target, kinds: Sequence[MonitorKind]) -> list[Asked]:
    """What each kind's newest run found, without running anything."""
    found: list[Asked] = []
    for kind in kinds:
        try:
            found.append(finding_of(target, kind, newest_job(target, kind)))
        except OperationError as error:
            found.append(error)
    return found
