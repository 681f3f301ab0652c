"""The evaluation job: what it reads, what evaluation.json says, what it refuses."""

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_code.captures.chunks import Chunk
from pipeline_code.common.exits import BadInput
from pipeline_code.common.model_digest import model_digest
from pipeline_code.common.schema import FRAUD_REPORTS
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.contracts.serving import CAPTURE_CONTRACT
from pipeline_code.evaluate.entry import main
from pipeline_code.evaluate.plots import TITLES
from pipeline_code.features.definitions import FEATURE_NAMES, SCHEMA_VERSION, SCHEMA_VERSION_KEY
from pipeline_code.monitor.attribution import analysis as attribution
from pipeline_code.quality.metrics import measure
from pipeline_code.quality.scored import ScoredRows
from pipeline_code.serve.thresholds import Thresholds
from pipeline_code.train.model import Model
from pipeline_code.train.rows import FeatureRows
from tests.pipeline_code.evaluate.conftest import archive, prepare_job

MODEL_KINDS = [kind for kind in MonitorKind if kind is not MonitorKind.DATA_QUALITY]
BASELINE = ("statistics", "constraints")
ARGUMENTS = ["--average-precision-floor", "0.3", "--champion-tolerance", "0.01"]


def evaluation(job: Path, arguments: list[str] | None = None) -> dict[str, Any]:
    assert main(arguments or ARGUMENTS) == 0
    file = job / "processing" / "output" / "evaluation" / "evaluation.json"
    document: dict[str, Any] = json.loads(file.read_text())
    return document


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, trained: Model, test_table: pa.Table) -> Path:
    """A job that has run with the usual arguments."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        root = prepare_job(tmp_path_factory.mktemp("done"), monkeypatch, trained, test_table)
        evaluation(root)
    return root


@pytest.fixture(scope="module")
def report(done: Path) -> dict[str, Any]:
    """What that job says in evaluation.json."""
    file = done / "processing" / "output" / "evaluation" / "evaluation.json"
    document: dict[str, Any] = json.loads(file.read_text())
    return document


def test_metrics_are_those_of_the_test_rows(
    report: dict[str, Any], trained: Model, test_table: pa.Table
) -> None:
    metrics = report["binary_classification_metrics"]
    expected = measure(ScoredRows.of(trained, FeatureRows(test_table)))
    assert {"auc_roc", "average_precision", "card_precision_at_100"} <= set(expected)
    for name, metric in expected.items():
        assert metrics[name] == {
            "value": metric.value,
            "standard_deviation": metric.standard_deviation,
        }


def test_metrics_have_the_form_that_the_registry_displays(report: dict[str, Any]) -> None:
    metrics = report["binary_classification_metrics"]
    curves = {"confusion_matrix", "receiver_operating_characteristic_curve"}
    curves.add("precision_recall_curve")
    for name in metrics.keys() - curves:
        assert set(metrics[name]) == {"value", "standard_deviation"}
    confusion = metrics["confusion_matrix"]
    assert sum(confusion[actual][called] for actual in "01" for called in "01") == 2800
    assert metrics["recall"]["value"] == confusion["1"]["1"] / (
        confusion["1"]["0"] + confusion["1"]["1"]
    )
    assert metrics["auc"] == metrics["auc_roc"]
    roc = metrics["receiver_operating_characteristic_curve"]
    assert np.trapezoid(roc["true_positive_rates"], roc["false_positive_rates"]) == pytest.approx(
        metrics["auc"]["value"], abs=0.005
    )
    assert set(metrics["precision_recall_curve"]) == {"precisions", "recalls"}


def test_the_package_tells_the_registry_in_text(
    done: Path, report: dict[str, Any], trained: Model
) -> None:
    package = report["package"]
    archive_bytes = (done / "processing" / "input" / "model" / "model.tar.gz").read_bytes()
    assert package["model_digest"] == model_digest(
        done / "processing" / "input" / "model" / "unpacked"
    )
    assert package["model_sha256"] == hashlib.sha256(archive_bytes).hexdigest()
    assert package["train_rows"] == str(trained.metadata.train_rows)
    assert package["train_first_event"] == trained.metadata.train_first_event
    assert (package["test_start"], package["test_end"]) == ("2018-07-15", "2018-07-22")
    assert float(package["review_threshold"]) == report["reviews"]["threshold"]
    assert float(package["decline_threshold"]) == report["declines"]["threshold"]
    assert package["feature_schema_version"] == SCHEMA_VERSION
    assert package["capture_contract"] == CAPTURE_CONTRACT
    # Whatever the package says of decisions, the server reads.
    thresholds = Thresholds.parse(
        {name.upper(): package[name] for name in ("review_threshold", "decline_threshold")}
    )
    assert thresholds.review == report["reviews"]["threshold"]
    assert package["gate_reason"].startswith("passed: average precision 0.9")
    for value in package.values():
        # The characters and the length that SageMaker takes.
        assert re.fullmatch(r"[\w .:/=+\-@]{1,256}", value)


def test_what_was_typed_as_the_reason_is_told_in_characters_that_the_registry_takes(
    job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIGGER_REASON", "größer; (see #12!)\t")
    monkeypatch.delenv("TRIGGER_EVIDENCE", raising=False)
    package = evaluation(job)["package"]
    assert package["trigger_reason"] == "größer / see 12"
    assert package["trigger_evidence"] == "unknown"


def test_the_reviews_there_are_set_the_threshold(job: Path) -> None:
    few = evaluation(job, [*ARGUMENTS, "--reviews-per-day", "5"])["reviews"]
    many = evaluation(job, [*ARGUMENTS, "--reviews-per-day", "50"])["reviews"]
    assert (few["per_day"], many["per_day"]) == (5, 50)
    assert few["threshold"] > many["threshold"]
    assert few["transaction_recall"]["value"] < many["transaction_recall"]["value"]
    assert few["saved_share"]["value"] < many["saved_share"]["value"]


def test_the_gate_checks_what_was_measured(done: Path, report: dict[str, Any]) -> None:
    checks = report["gate"]["checks"]
    assert checks["bias"]["value"] == report["bias"]["value"]
    error = report["calibration"]["expected_calibration_error"]
    assert checks["calibration"]["value"] == error
    size = (done / "processing" / "input" / "model" / "model.tar.gz").stat().st_size
    assert checks["size"]["value"] == size / 2**20
    assert checks["latency"]["value"] > 0


def test_a_limit_that_is_missed_shuts_the_gate(job: Path) -> None:
    gate = evaluation(job, [*ARGUMENTS, "--size-limit-mib", "0.001"])["gate"]
    assert gate["passed"] is False
    assert gate["checks"]["size"] == {
        "value": gate["checks"]["size"]["value"],
        "limit": 0.001,
        "passed": False,
    }
    assert "above the limit 0.0010 MiB" in gate["reason"]


def test_the_gate_is_open_to_a_good_first_model(report: dict[str, Any]) -> None:
    precision = report["binary_classification_metrics"]["average_precision"]["value"]
    assert report["gate"]["passed"] is True
    assert report["gate"]["average_precision"] == precision > 0.3
    assert report["gate"]["champion"] == "none"
    assert report["gate"]["champion_margin"] == 1.0


def test_the_job_succeeds_though_the_gate_is_shut(job: Path) -> None:
    arguments = ["--average-precision-floor", "0.999", "--champion-tolerance", "0"]
    gate = evaluation(job, arguments)["gate"]
    assert gate["passed"] is False
    assert "below the floor 0.9990" in gate["reason"]


def test_rows_and_windows_are_told(job: Path, trained: Model, test_table: pa.Table) -> None:
    summary = job / "processing" / "input" / "train-summary" / "summary.json"
    summary.parent.mkdir()
    window = {"start": "2018-07-01T00:00:00+00:00", "end": "2018-07-08T00:00:00+00:00"}
    summary.write_text(json.dumps({"as_of": "2018-07-29", "train": window, "features": []}))
    report = evaluation(job)
    assert report["windows"] == {"as_of": "2018-07-29", "train": window}
    assert report["rows"] == {
        "train": trained.metadata.train_rows,
        "train_frauds": trained.metadata.train_frauds,
        "test": test_table.num_rows,
        "test_frauds": sum(test_table["is_fraud"].to_pylist()),
        "test_removed": 0,
    }


def write_reports(job: Path, customers: dict[int, tuple[int, int]]) -> None:
    """Customers with a fraud on one day of July and its report on another."""
    rows = [
        {
            "transaction_id": -customer,
            "customer_id": customer,
            "terminal_id": 0,
            "event_time": datetime(2018, 7, 1, 12, tzinfo=UTC) + timedelta(days=fraud - 1),
            "report_time": datetime(2018, 7, 1, 12, tzinfo=UTC) + timedelta(days=report - 1),
            "fraud_scenario": 1,
        }
        for customer, (fraud, report) in customers.items()
    ]
    folder = job / "processing" / "input" / "fraud_reports" / "report_date=2018-07-31"
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=FRAUD_REPORTS), folder / "part-0.parquet")


def test_cards_known_to_be_compromised_are_removed(job: Path, test_table: pa.Table) -> None:
    # Training starts on the 1st, test days are the 15th to the 21st.
    write_reports(job, {1: (3, 10), 2: (9, 16), 3: (3, 17), 4: (13, 20)})
    days = FeatureRows(test_table).days() - 17_713 + 1
    customers = np.array(test_table["customer_id"])
    expected = (
        (customers == 1)
        | (customers == 2) & (days >= 17)
        | (customers == 3) & (days >= 18)
        | (customers == 4) & (days >= 21)
    )
    assert evaluation(job)["rows"]["test_removed"] == expected.sum() > 20


def test_a_fraud_before_training_removes_nobody(job: Path) -> None:
    write_reports(job, {1: (0, 7)})
    assert evaluation(job)["rows"]["test_removed"] == 0


def test_the_job_writes_for_people_and_for_the_registry(done: Path) -> None:
    folder = done / "processing" / "output" / "evaluation"
    names = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert names == {
        "evaluation.json",
        "model_card.json",
        "report.html",
        *(f"plots/{name}.png" for name in TITLES),
        *(f"{kind}/statistics.json" for kind in MODEL_KINDS),
        *(f"{kind}/constraints.json" for kind in MODEL_KINDS),
    }
    card = json.loads((folder / "model_card.json").read_text())
    assert set(card) == {"content"}
    assert "model_overview" in json.loads(card["content"])


def test_two_runs_write_the_same(job: Path) -> None:
    folder = job / "processing" / "output" / "evaluation"
    runs = []
    for _ in range(2):
        told = evaluation(job)
        # The one figure that is taken with a watch.
        told["gate"]["checks"].pop("latency")
        files = folder.glob("*/*")
        runs.append((told, {file.relative_to(folder): file.read_bytes() for file in files}))
    assert len(runs[0][1]) == len(TITLES) + 2 * len(MODEL_KINDS)
    assert runs[0] == runs[1]


def baseline(job: Path, kind: MonitorKind) -> list[Any]:
    """What a job wrote for the monitors: statistics and constraints."""
    folder = job / "processing" / "output" / "evaluation" / kind
    return [json.loads((folder / f"{name}.json").read_text()) for name in BASELINE]


def test_the_baselines_are_of_the_model_that_is_registered(
    done: Path, report: dict[str, Any], trained: Model, test_table: pa.Table
) -> None:
    statistics, _ = baseline(done, MonitorKind.MODEL_QUALITY)
    metrics = report["binary_classification_metrics"]
    found = statistics["binary_classification_metrics"]
    assert found["auc"]["value"] == metrics["auc"]["value"]
    _, bias = baseline(done, MonitorKind.BIAS)
    assert bias["monitoring_config"]["review_threshold"] == report["reviews"]["threshold"]
    rows = FeatureRows(test_table)
    matrix = rows.matrix().T.astype(np.float64)
    none = np.zeros(len(matrix), np.int64)
    traffic = Chunk(FEATURE_NAMES, matrix, none, none)
    # Of the very rows of the baseline nothing has drifted.
    attributed = attribution.analyze([traffic], trained, *baseline(done, MonitorKind.ATTRIBUTION))
    assert attributed.violations == ()
    assert attributed.measures[0].value > 0.99


def test_baselines_are_of_compromised_cards_too_and_allow_what_the_gate_does(
    job: Path, test_table: pa.Table
) -> None:
    write_reports(job, {1: (3, 10), 2: (9, 16)})
    report = evaluation(job, [*ARGUMENTS, "--bias-limit", "0.9"])
    assert report["rows"]["test_removed"] > 0
    for kind, place in ((MonitorKind.BIAS, "predictions"), (MonitorKind.ATTRIBUTION, "records")):
        statistics, _ = baseline(job, kind)
        assert statistics[place]["all"] == test_table.num_rows
    statistics, _ = baseline(job, MonitorKind.MODEL_QUALITY)
    assert statistics["dataset"]["item_count"] == test_table.num_rows
    _, constraints = baseline(job, MonitorKind.BIAS)
    segment = constraints["post_training_bias_metrics"]["facets"]["activity"][0]
    recall = next(metric for metric in segment["metrics"] if metric["name"] == "RD")
    assert (recall["lower"], recall["upper"]) == (-0.9, 0.9)


def test_a_missing_model_is_refused(job: Path) -> None:
    (job / "processing" / "input" / "model" / "model.tar.gz").unlink()
    with pytest.raises(BadInput, match=r"input model must hold model\.tar\.gz, got none"):
        main(ARGUMENTS)


def test_a_damaged_archive_is_refused(job: Path) -> None:
    (job / "processing" / "input" / "model" / "model.tar.gz").write_bytes(b"no archive")
    with pytest.raises(BadInput, match=r"model\.tar\.gz must be a tar archive"):
        main(ARGUMENTS)


def test_a_model_of_another_schema_is_refused(job: Path, trained: Model, tmp_path: Path) -> None:
    folder = tmp_path / "processing" / "input" / "model"
    archive(trained, folder)
    file = folder / "unpacked" / "metadata.json"
    file.write_text(file.read_text().replace(f'"{SCHEMA_VERSION}"', '"v0"'))
    archive(Model.load(folder / "unpacked"), folder)
    with pytest.raises(BadInput, match=f"feature schema version must be {SCHEMA_VERSION}, got v0"):
        main(ARGUMENTS)


def test_test_rows_of_another_schema_are_refused(job: Path, test_table: pa.Table) -> None:
    file = job / "processing" / "input" / "test" / "part-0.parquet"
    pq.write_table(test_table.replace_schema_metadata({SCHEMA_VERSION_KEY: "v0"}), file)
    with pytest.raises(
        BadInput, match=rf"test/.* must have feature schema version {SCHEMA_VERSION}, got v0"
    ):
        main(ARGUMENTS)


@pytest.mark.parametrize("owner", ["customer_id", "terminal_id"])
def test_test_rows_of_nobody_are_refused(job: Path, test_table: pa.Table, owner: str) -> None:
    owners = pa.array([None, *test_table[owner].to_pylist()[1:]], pa.int64())
    place = test_table.column_names.index(owner)
    file = job / "processing" / "input" / "test" / "part-0.parquet"
    pq.write_table(test_table.set_column(place, owner, owners), file)
    with pytest.raises(BadInput, match=f"{owner} must have a value in every row, got 1 nulls"):
        main(ARGUMENTS)


def test_test_rows_without_fraud_are_refused(job: Path, test_table: pa.Table) -> None:
    place = test_table.column_names.index("is_fraud")
    honest = test_table.set_column(
        place, "is_fraud", pa.array(np.zeros(test_table.num_rows, np.int8))
    )
    file = job / "processing" / "input" / "test" / "part-0.parquet"
    pq.write_table(honest, file)
    with pytest.raises(BadInput, match="test must hold at least one fraud, got none"):
        main(ARGUMENTS)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--average-precision-floor", "1.5", "floor must be between 0 and 1, got 1.5"),
        ("--champion-tolerance", "-0.1", "champion_tolerance must be between 0 and 1, got -0.1"),
        ("--bias-limit", "2", "bias must be between 0 and 1, got 2.0"),
        ("--calibration-limit", "nan", "calibration must be between 0 and 1, got nan"),
        ("--latency-limit-milliseconds", "0", "latency must be above 0, got 0.0"),
        ("--size-limit-mib", "-5", "size must be above 0, got -5.0"),
        ("--reviews-per-day", "0", "reviews_per_day must be at least 1, got 0"),
        ("--decline-precision", "0", "decline_precision must be above 0 and at most 1, got 0.0"),
    ],
)
def test_a_limit_outside_its_range_is_refused(
    job: Path, option: str, value: str, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        main([*ARGUMENTS, f"{option}={value}"])
