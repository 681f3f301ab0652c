"""Entry point `monitor`: compares captured traffic with the model's baseline.

    python -m pipeline_code monitor --baseline

Reads processing/input/train (feature rows that `features` wrote) and writes statistics.json and
constraints.json to processing/output/baseline.

    python -m pipeline_code monitor

Follows Model Monitor's contract (`pipeline_code.monitor.settings`): reads captured exchanges, or
what a batch's model was asked and answered, and the baseline of its kind; writes statistics.json,
constraint_violations.json, analysis.json and report.html, and only then publishes metrics and an
event (`pipeline_code.monitor.publishing`). Violations are a result, not a failure: the exit code is
0 and output/message begins with CompletedWithViolations. What cannot be read is a failure: the exit
code is 1, output/message says why, and nothing is written or published.
"""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from pipeline_code.captures.chunks import Tally
from pipeline_code.common.exits import BadInput, shortened
from pipeline_code.common.paths import failure_file, processing_input, processing_output
from pipeline_code.monitor.analysis import Analysis
from pipeline_code.monitor.data_quality import baseline as data_quality_baseline
from pipeline_code.monitor.dispatch import analyze_by_kind
from pipeline_code.monitor.findings import findings
from pipeline_code.monitor.publishing import publish
from pipeline_code.monitor.report.report import render
from pipeline_code.monitor.settings import AnalysisSettings

__all__ = ["main"]

STATISTICS, CONSTRAINTS = "statistics.json", "constraints.json"
VIOLATIONS, ANALYSIS = "constraint_violations.json", "analysis.json"
REPORT = "report.html"


def main(argv: Sequence[str]) -> int:
    """Runs the processing job."""
    parser = argparse.ArgumentParser(prog="monitor", description="look for drift")
    parser.add_argument("--baseline", action="store_true", help="describe training rows instead")
    if parser.parse_args(argv).baseline:
        _write_baseline()
    else:
        _run_analysis(AnalysisSettings.parse(os.environ))
    return 0


def _write_baseline() -> None:
    statistics, constraints = data_quality_baseline.compute(processing_input("train"))
    folder = processing_output("baseline")
    _write(folder / STATISTICS, statistics)
    _write(folder / CONSTRAINTS, constraints)
    print(f"baseline of {statistics['dataset']['item_count']} rows")


def _run_analysis(settings: AnalysisSettings) -> None:
    statistics, constraints = _read(settings.statistics), _read(settings.constraints)
    analysis, tally = analyze_by_kind(settings, statistics, constraints)
    settings.results.mkdir(parents=True, exist_ok=True)
    _write(settings.results / STATISTICS, analysis.statistics)
    _write(settings.results / VIOLATIONS, analysis.document())
    _write(settings.results / ANALYSIS, findings(analysis, tally, settings))
    page = render(analysis, tally, settings, statistics)
    (settings.results / REPORT).write_text(page, encoding="utf-8")
    if settings.metric_namespace is not None:
        retries = Config(retries={"mode": "standard", "max_attempts": 5})
        publish(
            analysis,
            tally,
            settings,
            cloudwatch=boto3.client("cloudwatch", config=retries),
            events=boto3.client("events", config=retries),
        )
    print(_story(tally))
    _tell(analysis)


def _story(tally: Tally) -> str:
    """How much there was of what, in words."""
    degraded = tally.degraded.total()
    return (
        f"{tally.records} records in {tally.files} files, {degraded} of them degraded; left out: "
        f"{tally.outside} exchanges outside the interval, {tally.unmonitored} without features, "
        f"{tally.probes} probes, {tally.other_versions} records of other versions"
    )


def _tell(analysis: Analysis) -> None:
    """Says on the log, and where SageMaker shows it, how the analysis ended."""
    message = "Completed: no violations"
    if analysis.violations:
        subjects = sorted({violation.subject for violation in analysis.violations})
        count = len(analysis.violations)
        noun = "violation" if count == 1 else "violations"
        message = f"CompletedWithViolations: {count} {noun} in {', '.join(subjects)}"
    print(message)
    for violation in analysis.violations:
        print(f"{violation.check} {violation.subject}: {violation.description}")
    file = failure_file("monitor")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(shortened(message), encoding="utf-8")


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"{file.name} must be JSON: {error}") from error


def _write(file: Path, document: Any) -> None:
    file.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
