"""The job `monitor` of this kind: captures and ground truth in, the documents out."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline_code.__main__ import main
from pipeline_code.captures.ground_truth import render
from pipeline_code.captures.hour_files import hour_files
from pipeline_code.monitor.model_quality.baseline import compute
from tests.pipeline_code.monitor.scored_weeks import REVIEWS_PER_DAY, ScoredWeeks, scored_weeks

Labels = np.ndarray[Any, np.dtype[np.int8]]


@pytest.fixture(scope="module")
def world() -> ScoredWeeks:
    return scored_weeks(customers=250, weeks=2, seed=0)


@pytest.fixture
def root(world: ScoredWeeks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job whose baseline and captures are in place; ground truth is not."""
    monkeypatch.delenv("METRIC_NAMESPACE", raising=False)
    for name, value in {
        "SAGEMAKER_BASE_DIR": str(tmp_path),
        "MONITOR_KIND": "model-quality",
        "GROUND_TRUTH_URI": str(tmp_path / "truth"),
        "baseline_constraints": "/opt/ml/constraints.json",
        "baseline_statistics": "/opt/ml/statistics.json",
        "sagemaker_endpoint_name": "fraud",
        "sagemaker_monitoring_schedule_name": "daily",
    }.items():
        monkeypatch.setenv(name, value)
    documents = compute(world.scored(0), threshold=world.threshold, reviews_per_day=REVIEWS_PER_DAY)
    for name, document in zip(("statistics", "constraints"), documents, strict=True):
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    captures = tmp_path / "processing" / "input" / "endpoint" / "captures.jsonl"
    captures.parent.mkdir(parents=True)
    captures.write_text("".join(_lines(world)), encoding="utf-8")
    return tmp_path


def _lines(world: ScoredWeeks) -> list[str]:
    week = world.week(1).table
    columns = (week["transaction_id"], week["event_time"], week["customer_id"])
    rows = zip(*(column.to_pylist() for column in columns), world.scored(1).scores, strict=True)
    return [_line(*row) for row in rows]


def _line(id_: int, moment: datetime, customer: int, score: float) -> str:
    request = {
        "transaction_id": id_,
        "event_time": moment.isoformat(),
        "customer_id": customer,
        "terminal_id": 1,
        "amount": "1.00",
    }
    answer = {"transaction_id": id_, "score": score, "features": {"a": 1}}

    def side(document: object) -> dict[str, str]:
        kind = "application/json"
        return {"observedContentType": kind, "data": json.dumps(document), "encoding": "JSON"}

    line = {
        "captureData": {"endpointInput": side(request), "endpointOutput": side(answer)},
        "eventMetadata": {"inferenceId": str(id_), "inferenceTime": moment.isoformat()},
        "eventVersion": "0",
    }
    return json.dumps(line) + "\n"


def judge(root: Path, world: ScoredWeeks, labels: Labels) -> None:
    """Writes what became of the first of the predictions."""
    week = world.week(1).table
    hours: dict[datetime, dict[str, int]] = {}
    columns = week["transaction_id"].to_pylist(), week["event_time"].to_pylist(), labels.tolist()
    for id_, moment, label in zip(*columns, strict=True):
        hour = moment.replace(minute=0, second=0, microsecond=0)
        hours.setdefault(hour, {})[str(id_)] = label
    for hour, known in hours.items():
        hour_files(root / "truth").replace(hour, "labels.jsonl", render(known))


def document(root: Path, name: str) -> Any:
    return json.loads((root / "processing" / "resultdata" / f"{name}.json").read_text())


def message(root: Path) -> str:
    return (root / "output" / "message").read_text()


def test_a_quiet_week_and_then_one_whose_labels_are_elsewhere(
    root: Path, world: ScoredWeeks
) -> None:
    labels = world.week(1).labels()
    judge(root, world, labels)
    assert main(["monitor"]) == 0
    assert message(root) == "Completed: no violations"
    assert document(root, "constraint_violations") == {"violations": []}
    maturity = document(root, "statistics")["label_maturity"]
    assert (maturity["judged"], maturity["frauds"]) == (len(labels), int(labels.sum()))
    judge(root, world, np.random.default_rng(7).permutation(labels))
    assert main(["monitor"]) == 0
    found = {each["metric_name"] for each in document(root, "constraint_violations")["violations"]}
    assert {"average_precision", "recall"} <= found


def test_without_labels_it_is_not_said_to_be_fine(root: Path) -> None:
    assert main(["monitor"]) == 0
    assert message(root) == "CompletedWithViolations: 1 violation in All metrics"
    assert document(root, "statistics")["label_maturity"]["maturity"] == 0


def test_ground_truth_that_cannot_be_read_fails_the_job(root: Path, world: ScoredWeeks) -> None:
    first = world.week(1).table["event_time"][0].as_py()
    hour_files(root / "truth").replace(first, "labels.jsonl", b'{"groundTruthData": {"da')
    assert main(["monitor"]) == 1
    assert "labels.jsonl, line 1: must be ground truth of 0 or 1" in message(root)
    assert not (root / "processing" / "resultdata").exists()
