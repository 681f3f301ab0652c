"""What the verb does: choose probes, ask, and show what was seen."""

from __future__ import annotations

import signal
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING, Any

import typer
from rich.text import Text

from local_aws.behaviours.questions import questions
from operations.console import show, table, tell
from operations.deployment.revision import code_revision
from operations.errors import OperationError, StoppedWaitingError
from operations.smoke import cleanup, report
from operations.smoke.asking import answers
from operations.smoke.cost import check_cost
from operations.smoke.probes import PROBES
from operations.smoke.probes.probe import Probe
from pipeline_code.contracts.outputs import Output

if TYPE_CHECKING:
    from operations.target import Target

__all__ = ["chosen", "clean_up", "run"]


def run(target: Target, only: Collection[str], json_path: str | None) -> None:
    """Ask, show, and end with the verdict.

    Raises:
        OperationError: If a question is none that is asked, or the run would cost too much.
        typer.Exit: If something is not as assumed, or stays open.
    """
    probes = chosen(only)
    cost = check_cost(probes)
    tell(
        f"{target.environment} in account {target.account}, {target.session.region_name}: "
        f"{len(only) or sum(len(probe.questions) for probe in probes)} questions, {cost:.2f} US "
        "dollars at most"
    )
    begun = time.time()
    with _stoppable():
        seen = answers(target, probes, _image(target))
    found = report.document(
        {name: each for name, each in seen.items() if not only or name in only},
        account=target.account,
        region=target.session.region_name,
        environment=target.environment,
        time=datetime.fromtimestamp(begun, UTC).isoformat(timespec="seconds"),
        seconds=round(time.time() - begun),
        revision=code_revision(),
    )
    show(found, json_path, _table(found), *_differences(found))
    if code := report.verdict(found):
        raise typer.Exit(code)


def chosen(only: Collection[str]) -> list[Probe]:
    """The probes that answer these questions; all if there are none.

    Raises:
        OperationError: If a question is none that is asked.
    """
    asked = [name for probe in PROBES for name in probe.questions]
    if unknown := [name for name in only if name not in asked]:
        why = questions()[unknown[0]].unasked if unknown[0] in questions() else None
        raise OperationError(
            f"--only must be a question that is asked, got {unknown[0]}"
            f"{'' if why is None else f', which is not: {why}'}; `fraudloop smoke --list` has them"
        )
    return [probe for probe in PROBES if not only or {*only} & {*probe.questions}]


def clean_up(target: Target, json_path: str | None) -> None:
    """Delete what runs have left, and show it."""
    with _stoppable():
        deleted = cleanup.clean(target)
    rows = [each.rpartition(" ")[::2] for each in deleted]
    show({"deleted": deleted}, json_path, table("Deleted", ["kind", "name"], rows))


def _image(target: Target) -> str | None:
    """The environment's image, which what the run hosts is made of."""
    try:
        return target.outputs.get(Output.IMAGE)
    except OperationError:
        return None


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM ends the run as Ctrl-C does; either of them again ends its clean-up."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedWaitingError(
            "stopped before all was deleted; the next run does it, or `fraudloop smoke --clean`"
        ) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _table(found: Mapping[str, Any]) -> Any:
    rows = [
        (each["question"], each["expected"], each["seen"] or f"open: {each['detail']}")
        for each in found["questions"]
    ]
    return table("Questions", ["question", "expected", "seen"], rows)


def _differences(found: Mapping[str, Any]) -> Iterator[Text]:
    """Of each answer that was not expected, what hangs on it."""
    for each in report.differences(found):
        guess = f"; the guess {each['guess']} was wrong" if each["guess"] else ""
        detail = f" ({each['detail']})" if each["detail"] else ""
        tests = ", ".join(each["tests"])
        yield Text(
            f"{each['name']} is {each['seen']} and not {each['expected']}{detail}{guess}. On it "
            f"rests: {each['rests']}; tests: {tests}"
        )
