"""Entry point `monitor`: compares captured traffic with the model's baseline.

    python -m pipeline_code monitor --baseline

Reads processing/input/train (feature rows that `features` wrote) and writes statistics.json and
constraints.json to processing/output/baseline.

    python -m pipeline_code monitor

Follows Model Monitor's contract (`pipeline_code.monitor.settings`): reads captured exchanges, or
what a batch's model was asked and answered (`pipeline_code.monitor.datasets`), and the baseline;
writes statistics.json and constraint_violations.json, publishes metrics and an event
(`pipeline_code.monitor.publishing`). Violations are a result, not a failure: the exit code is 0 and
output/message begins with CompletedWithViolations. What cannot be read is a failure.
"""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from pipeline_code.common.exits import BadInput, shortened
from pipeline_code.common.paths import failure_file, processing_input, processing_output
from pipeline_code.monitor.baseline import compute_baseline
from pipeline_code.monitor.captures import read_captures
from pipeline_code.monitor.columns import columns_of
from pipeline_code.monitor.constraints import Constraints
from pipeline_code.monitor.datasets import SCORE, Records, read_dataset
from pipeline_code.monitor.publishing import publish
from pipeline_code.monitor.settings import Settings
from pipeline_code.monitor.statistics import Baseline, describe
from pipeline_code.monitor.violations import Analysis, analyze

__all__ = ["main"]

STATISTICS, CONSTRAINTS = "statistics.json", "constraints.json"
VIOLATIONS = "constraint_violations.json"


def main(argv: Sequence[str]) -> int:
    """Runs the processing job."""
    parser = argparse.ArgumentParser(prog="monitor", description="look for drift")
    parser.add_argument("--baseline", action="store_true", help="describe training rows instead")
    if parser.parse_args(argv).baseline:
        _write_baseline()
    else:
        _run_analysis(Settings.parse(os.environ))
    return 0


def _write_baseline() -> None:
    statistics, constraints = compute_baseline(processing_input("train"))
    folder = processing_output("baseline")
    _write(folder / STATISTICS, statistics)
    _write(folder / CONSTRAINTS, constraints)
    print(f"baseline of {statistics['dataset']['item_count']} rows")


def _run_analysis(settings: Settings) -> None:
    constraints = Constraints.parse(_read(settings.constraints))
    baselines = Baseline.parse(_read(settings.statistics))
    records, story = _records(settings)
    analysis = analyze(records.columns, records.count, constraints, baselines)
    buckets = {name: baseline.buckets for name, baseline in baselines.items()}
    settings.results.mkdir(parents=True, exist_ok=True)
    # No constraint is about scores, whose share of frauds changes; what they were is worth keeping.
    scores = {} if records.scores is None else {SCORE: records.scores}
    described = describe({**records.columns, **scores}, records.count, buckets)
    _write(settings.results / STATISTICS, described)
    _write(settings.results / VIOLATIONS, analysis.document())
    if settings.metric_namespace is not None:
        retries = Config(retries={"mode": "standard", "max_attempts": 5})
        publish(
            analysis,
            settings,
            cloudwatch=boto3.client("cloudwatch", config=retries),
            events=boto3.client("events", config=retries),
        )
    print(story)
    _tell(analysis)


def _records(settings: Settings) -> tuple[Records, str]:
    """What is to be judged, and in words how much there was of what."""
    if settings.is_batch:
        batch = read_dataset(Path(settings.source), settings.dataset_format)
        return batch, f"{batch.count} records in {batch.files} files"
    captures = read_captures(Path(settings.source), settings.interval)
    columns = columns_of(captures.features)
    return Records(columns, len(captures.features), captures.files), (
        f"{len(captures.features)} records in {captures.files} files, {captures.outside} exchanges "
        f"outside the interval, {captures.unmonitored} without features, {captures.probes} probes"
    )


def _tell(analysis: Analysis) -> None:
    """Says on the log, and where SageMaker shows it, how the analysis ended."""
    message = "Completed: no violations"
    if analysis.violations:
        names = sorted({violation.feature_name for violation in analysis.violations})
        count = len(analysis.violations)
        noun = "violation" if count == 1 else "violations"
        message = f"CompletedWithViolations: {count} {noun} in {', '.join(names)}"
    print(message)
    for violation in analysis.violations:
        print(
            f"{violation.constraint_check_type} {violation.feature_name}: {violation.description}"
        )
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
