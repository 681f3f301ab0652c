"""The verb that asks the monitors: drift."""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from operations.cli.parts.following import interruptible
from operations.cli.parts.verbs import VERDICTS, Json, guide, on_target
from operations.console import show
from operations.errors import OperationError
from operations.target import Target
from pipeline_code.contracts.monitoring import MonitorKind

if TYPE_CHECKING:
    from operations.monitoring.drift import Asked
    from operations.monitoring.findings import Finding

__all__ = ["drift"]

# Of the process, by what is worst; 2 is typer's own, for options that it does not know.
PASSED, FAILED, (VIOLATED, UNKNOWN) = 0, 1, VERDICTS
_WINDOW = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Kind(StrEnum):
    """What `--kind` takes."""

    DATA_QUALITY = MonitorKind.DATA_QUALITY.value
    MODEL_QUALITY = MonitorKind.MODEL_QUALITY.value
    BIAS = MonitorKind.BIAS.value
    ATTRIBUTION = MonitorKind.ATTRIBUTION.value
    ALL = "all"

    @property
    def kinds(self) -> list[MonitorKind]:
        """The monitors that it names."""
        return list(MonitorKind) if self is Kind.ALL else [MonitorKind(self)]


@guide("fraudloop drift --kind all --window 24h", then="fraudloop retraining status")
@on_target
def drift(
    target: Target,
    kind: Annotated[Kind, typer.Option(help="What is looked for.")] = Kind.DATA_QUALITY,
    window: Annotated[
        str | None,
        typer.Option(
            help="How far back captures are analyzed, as 90m, 24h or 14d; if omitted, as far as "
            "when the monitor is scheduled."
        ),
    ] = None,
    last: Annotated[
        bool, typer.Option("--last", help="Run nothing; show what the newest run found.")
    ] = False,
    labels: Annotated[
        bool, typer.Option(help="At first join fraud reports with predictions, if they are needed.")
    ] = True,
    report: Annotated[
        Path | None,
        typer.Option(help="Copy the page to this file or folder; of all kinds, to this folder."),
    ] = None,
    opened: Annotated[bool, typer.Option("--open", help="Show the page in a browser.")] = False,
    json: Json = None,
) -> None:
    """Run a monitor now on what the endpoint captured, and show what it found.

    Exits 0 if nothing is wrong, 3 if there are violations, 4 if there is too little data to tell,
    and 1 if a run failed.
    """
    from operations.cli.parts.drift_tables import tables
    from operations.monitoring import drift as monitors

    length = None if window is None else _length(window)
    if last:
        asked = monitors.last(target, kind.kinds)
    else:
        goes_on = f"jobs go on by themselves: `fraudloop drift --last --kind {kind}` shows them"
        with interruptible(goes_on):
            asked = monitors.run_all(target, kind.kinds, window=length, labels=labels)
    if isinstance(asked[0], OperationError) and len(asked) == 1:
        raise asked[0]
    wanted = report is not None or opened
    for finding, file in _pages(asked, report, target.reports) if wanted else ():
        finding.download(target, file)
        if opened:
            typer.launch(file.resolve().as_uri())
    documents = [_document(name, each) for name, each in zip(kind.kinds, asked, strict=True)]
    document = {"monitors": documents} if kind is Kind.ALL else documents[0]
    show(document, json, *tables(kind.kinds, asked))
    if code := _code(asked):
        raise typer.Exit(code)


def _length(text: str) -> timedelta:
    parts = _WINDOW.fullmatch(text)
    length = timedelta(**{_UNITS[parts[2]]: int(parts[1])}) if parts else timedelta(0)
    if not length:
        raise OperationError(f"--window must be a length of time as 90m, 24h or 14d, got {text!r}")
    return length


def _pages(
    asked: "Sequence[Asked]", report: Path | None, reports: Path
) -> "Iterator[tuple[Finding, Path]]":
    """Where the page of each finding goes."""
    from operations.monitoring.findings import Finding

    for finding in asked:
        if isinstance(finding, Finding):
            if report is not None and len(asked) == 1 and not report.is_dir():
                yield finding, report
            else:
                yield finding, (report or reports) / f"{finding.kind}.html"


def _document(kind: MonitorKind, asked: "Asked") -> dict[str, Any]:
    from operations.monitoring.findings import Finding

    if isinstance(asked, Finding):
        return asked.as_dict()
    return {"kind": kind.value, "status": "Failed", "outcome": "failed", "reason": str(asked)}


def _code(asked: "Sequence[Asked]") -> int:
    from operations.monitoring.findings import Finding, FindingOutcome

    outcomes = [each.outcome for each in asked if isinstance(each, Finding)]
    if len(outcomes) < len(asked):
        return FAILED
    if FindingOutcome.VIOLATED in outcomes:
        return VIOLATED
    return UNKNOWN if FindingOutcome.UNKNOWN in outcomes else PASSED
