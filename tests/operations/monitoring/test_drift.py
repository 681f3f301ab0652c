"""Asking the monitors of both engines; the analyzer is a few lines of Python."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text
from typer.testing import CliRunner

from local_aws.server import EmbeddedAws
from operations.cli import app
from operations.console import show
from operations.errors import OperationError
from operations.monitoring import drift
from operations.monitoring.findings import Finding, FindingOutcome
from operations.target import Target
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.monitor.analysis import MISSING_DATA
from tests.local_aws.sagemaker.conftest import CLUSTER, allow
from tests.local_aws.sagemaker.serving import IMAGE, Serving, capture_config, make_role, unique

ANALYZER = ["python", str(Path(__file__).with_name("analyses.py"))]
BASELINE, RESULTS = "/opt/ml/processing/baseline", "/opt/ml/processing/resultdata"
NAMES = ("DataQuality", "ModelQuality", "Bias", "Attribution")
HOURS = {"Get": "Parameters.AnalysisHours"}
LABELS_HOURS = {"Get": "Parameters.LookBackHours"}

Ask = Callable[..., Any]


def found(*violations: dict[str, str], maturity: float | None = None) -> dict[str, Any]:
    """The files of a run with a figure beyond its limit, one within, and one without."""
    measures = [
        {
            "metric": "FeatureDrift",
            "dimensions": {"Feature": name},
            "value": value,
            "baseline": None,
            "threshold": limit,
            "used": None if limit is None else value / limit,
            "beyond": limit is not None and value > limit,
        }
        for name, value, limit in (("steady", 0.1, 0.2), ("amount", 0.9, 0.2), ("free", 0.3, None))
    ]
    analysis = {
        "records": 1500,
        "start_time": None,
        "end_time": "2024-03-01T13:00:00+00:00",
        "maturity": maturity,
        "measures": measures,
    }
    return {
        "constraint_violations.json": {"violations": list(violations)},
        "analysis.json": analysis,
        "report.html": "<!doctype html><p>the page",
    }


def violation(check: str, subject: str = "amount") -> dict[str, str]:
    return {
        "feature_name": subject,
        "constraint_check_type": check,
        "description": f"{check} has failed",
    }


DRIFTED = found(violation("baseline_drift_check"), violation("completeness_check"))
QUIET = found(maturity=0.75)
TOO_LITTLE = found(violation(MISSING_DATA, "All features"))
FAILED = {"failure": "a.jsonl, line 3: must be JSON"}


class Monitors:
    """A bucket, a role, and what tells each kind's analyzer what to find."""

    def __init__(self, target_with: Callable[..., Target], engine: str, bucket: str) -> None:
        self.names = {kind: unique(kind) for kind in MonitorKind}
        outputs = {
            f"{name}MonitorName": self.names[kind]
            for name, kind in zip(NAMES, MonitorKind, strict=True)
        }
        self.labels = unique("labels")
        self.target = target_with(
            MonitoringEngine=engine, LabelsPipelineName=self.labels, **outputs
        )
        self.bucket = bucket
        self.sagemaker, self.s3 = self.target.client("sagemaker"), self.target.client("s3")

    def tell(self, kind: str, files: dict[str, Any]) -> None:
        self.s3.put_object(
            Bucket=self.bucket, Key=f"told/{kind}/constraints.json", Body=json.dumps(files).encode()
        )

    def seen(self, finding: Finding) -> dict[str, str]:
        key = f"{finding.report.removeprefix(f's3://{self.bucket}/')}/seen.json"
        document: dict[str, str] = json.load(
            self.s3.get_object(Bucket=self.bucket, Key=key)["Body"]
        )
        return document


@pytest.fixture(scope="module")
def pipelines(target_with: Callable[..., Target]) -> Monitors:
    """The scheduled engine's: one pipeline a kind, and the labels'."""
    target, bucket = target_with(), unique("monitors")
    target.client("s3").create_bucket(Bucket=bucket)
    role = make_role(
        target.client, allow(["s3:*", "sagemaker:*"], "*"), allow(["iam:PassRole"], "*")
    )
    made = Monitors(target_with, "scheduled", bucket)
    for kind, name in made.names.items():
        environment = {"LOOK_BACK_HOURS": HOURS, "monitoring_schedule_name": name}
        pipeline(made, name, role, step(made, "Analyze", role, kind, environment))
    labels = step(made, "Labels", role, "labels", {"LOOK_BACK_HOURS": LABELS_HOURS})
    pipeline(made, made.labels, role, labels)
    return made


def step(
    made: Monitors, name: str, role: str, kind: str, environment: dict[str, Any]
) -> dict[str, Any]:
    execution = {"Get": "Execution.PipelineExecutionId"}
    uri = {"Std:Join": {"On": "/", "Values": [f"s3://{made.bucket}/reports", execution]}}
    source = {
        "S3Uri": f"s3://{made.bucket}/told/{kind}",
        "LocalPath": BASELINE,
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
    }
    output = {"S3Uri": uri, "LocalPath": RESULTS, "S3UploadMode": "EndOfJob"}
    request = {
        "RoleArn": role,
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ANALYZER},
        "ProcessingResources": {"ClusterConfig": CLUSTER},
        "ProcessingInputs": [{"InputName": "baseline", "S3Input": source}],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "report", "S3Output": output}]},
        "Environment": {
            "baseline_constraints": f"{BASELINE}/constraints.json",
            "output_path": RESULTS,
            **environment,
        },
    }
    return {"Name": name, "Type": "Processing", "Arguments": request}


def pipeline(made: Monitors, name: str, role: str, only: dict[str, Any]) -> None:
    parameter = only["Arguments"]["Environment"]["LOOK_BACK_HOURS"]["Get"].partition(".")[2]
    definition = {
        "Version": "2020-12-01",
        "Parameters": [{"Name": parameter, "Type": "String", "DefaultValue": "24"}],
        "Steps": [only],
    }
    made.sagemaker.create_pipeline(
        PipelineName=name,
        PipelineDefinition=json.dumps(definition),
        ClientRequestToken=unique("token").ljust(32, "0"),
        RoleArn=role,
    )


@pytest.fixture(scope="module")
def schedules(target_with: Callable[..., Target]) -> Iterator[Monitors]:
    """Model Monitor's: data quality and bias, of an endpoint that has captured something."""
    target = target_with()
    serving = Serving.make(target.client)
    config = serving.config(
        serving.model(), DataCaptureConfig=capture_config(serving.bucket, "captures")
    )
    endpoint = serving.endpoint(config)
    serving.invoke(endpoint, b"{}", ContentType="application/json")
    made = Monitors(target_with, "model_monitor", serving.bucket)
    for kind, environment in (
        (MonitorKind.DATA_QUALITY, {}),
        (MonitorKind.BIAS, {"LOOK_BACK_HOURS": "336"}),
    ):
        made.tell(kind, QUIET)
        made.sagemaker.create_monitoring_schedule(
            MonitoringScheduleName=made.names[kind],
            MonitoringScheduleConfig={
                "ScheduleConfig": {"ScheduleExpression": "cron(0 * ? * * *)"},
                "MonitoringJobDefinition": job(serving, endpoint, kind, environment),
                "MonitoringType": "DataQuality",
            },
        )
    yield made
    for name in (MonitorKind.DATA_QUALITY, MonitorKind.BIAS):
        made.sagemaker.delete_monitoring_schedule(MonitoringScheduleName=made.names[name])
    made.sagemaker.delete_endpoint(EndpointName=endpoint)


def job(
    serving: Serving, endpoint: str, kind: MonitorKind, environment: dict[str, str]
) -> dict[str, Any]:
    captures = {"EndpointName": endpoint, "LocalPath": "/opt/ml/processing/input/endpoint"}
    output = {"S3Uri": f"s3://{serving.bucket}/reports", "LocalPath": RESULTS}
    constraints = {"S3Uri": f"s3://{serving.bucket}/told/{kind}/constraints.json"}
    return {
        "RoleArn": serving.role,
        "MonitoringAppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ANALYZER},
        "MonitoringInputs": [{"EndpointInput": captures}],
        "MonitoringOutputConfig": {"MonitoringOutputs": [{"S3Output": output}]},
        "MonitoringResources": {"ClusterConfig": CLUSTER},
        "BaselineConfig": {"ConstraintsResource": constraints},
        "Environment": environment,
    }


@pytest.fixture
def ask(pipelines: Monitors, embedded_aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """ask("--kind", "bias"): what the command says of the pipelines' monitors."""
    monkeypatch.setattr(Target, "outputs", pipelines.target.outputs)
    state = str(embedded_aws.state_dir)
    return lambda *words: CliRunner().invoke(
        app, ["drift", *words, "--state", state, "--json", "-"], env={"COLUMNS": "200"}
    )


def test_every_kind_at_once(pipelines: Monitors, ask: Ask, tmp_path: Path) -> None:
    for kind, files in zip(
        (*MonitorKind, "labels"), (DRIFTED, QUIET, FAILED, TOO_LITTLE, {}), strict=True
    ):
        pipelines.tell(kind, files)
    told = ask("--kind", "all", "--report", str(tmp_path / "pages"))
    assert told.exit_code == 1, told.stderr
    asked = json.loads(told.stdout)["monitors"]
    assert [(each["kind"], each["outcome"]) for each in asked] == [
        ("data-quality", "violations found"),
        ("model-quality", "nothing is wrong"),
        ("bias", "failed"),
        ("attribution", "too little data to tell"),
    ]
    assert "bias: failed" in told.stderr
    assert "a.jsonl, line 3: must be JSON" in told.stderr
    assert "75.0% of them old enough to be judged" in told.stderr
    pages = {file.name for file in (tmp_path / "pages").iterdir()}
    assert pages == {"data-quality.html", "model-quality.html", "attribution.html"}
    again = ask("--kind", "all", "--last")
    assert (again.exit_code, json.loads(again.stdout)["monitors"]) == (1, asked)
    assert ask("--kind", "attribution", "--last", "--report", str(tmp_path)).exit_code == 4
    assert (tmp_path / "attribution.html").read_text() == TOO_LITTLE["report.html"]


def test_what_is_beyond_its_limit_comes_first(
    pipelines: Monitors, ask: Ask, tmp_path: Path
) -> None:
    pipelines.tell(MonitorKind.DATA_QUALITY, DRIFTED)
    told = ask("--report", str(tmp_path / "page.html"))
    assert told.exit_code == 3
    assert (tmp_path / "page.html").read_text() == DRIFTED["report.html"]
    rows = [line for line in told.stderr.splitlines() if " Drift " in line]
    assert [name for row in rows for name in ("amount", "steady", "free") if name in row] == [
        "amount",
        "steady",
        "free",
    ]
    assert "|█████ !" in rows[0]
    assert "██░░░|" in rows[1]
    assert "|" not in rows[2].replace("│", "")


def test_an_address_is_not_folded(capsys: pytest.CaptureFixture[str]) -> None:
    address = f"s3://{'x' * 300}/report.html"
    show({}, None, Text(address))
    assert address in capsys.readouterr().out.splitlines()


def test_a_window_and_no_labels(pipelines: Monitors) -> None:
    pipelines.tell("labels", {"failure": "labels must not be asked for"})
    pipelines.tell(MonitorKind.BIAS, QUIET)
    finding = drift.run_now(
        pipelines.target, kind=MonitorKind.BIAS, window=timedelta(seconds=90), labels=False
    )
    assert finding.outcome is FindingOutcome.PASSED
    assert pipelines.seen(finding)["LOOK_BACK_HOURS"] == "0.025"
    with pytest.raises(OperationError, match=r"labels run .* failed: labels must not be asked for"):
        drift.run_now(pipelines.target, kind=MonitorKind.BIAS)


def test_without_labels_the_other_kinds_are_asked_all_the_same(pipelines: Monitors) -> None:
    pipelines.tell("labels", FAILED)
    pipelines.tell(MonitorKind.ATTRIBUTION, QUIET)
    bias, attribution = drift.run_all(pipelines.target, [MonitorKind.BIAS, MonitorKind.ATTRIBUTION])
    assert "labels run" in str(bias)
    assert isinstance(attribution, Finding)


def test_the_page_is_opened(
    pipelines: Monitors, ask: Ask, embedded_aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipelines.tell(MonitorKind.DATA_QUALITY, QUIET)
    opened: list[str] = []
    monkeypatch.setattr("typer.launch", opened.append)
    assert ask("--open").exit_code == 0
    # With the embedded AWS that was asked, not with the one that --state left out would mean.
    page = embedded_aws.state_dir / "reports" / "data-quality.html"
    assert opened == [page.as_uri()]
    assert page.read_text() == QUIET["report.html"]


def test_a_run_without_a_verdict_is_no_good_news(pipelines: Monitors, ask: Ask) -> None:
    pipelines.tell(MonitorKind.ATTRIBUTION, {"analysis.json": {}})
    told = ask("--kind", "attribution")
    assert told.exit_code == 1
    assert "must have left constraint_violations.json, got none in s3://" in told.stderr


@pytest.mark.parametrize("text", ["0m", "-5m", "1.5h", "week", "9999999d", ""])
def test_a_window_is_a_length_of_time(ask: Ask, text: str) -> None:
    told = ask("--window", text)
    assert told.exit_code == 1
    assert "--window must be a length of time as 90m, 24h or 14d" in told.stderr


def test_model_monitor_runs_once_and_forgets_the_schedule(schedules: Monitors) -> None:
    schedules.tell(MonitorKind.DATA_QUALITY, DRIFTED)
    finding = drift.run_now(schedules.target, window=timedelta(seconds=600))
    assert finding.status == "CompletedWithViolations"
    assert [each["feature_name"] for each in finding.violations] == ["amount", "amount"]
    seen = schedules.seen(finding)
    start, end = (datetime.fromisoformat(seen[f"{name}_time"]) for name in ("start", "end"))
    assert end - start == timedelta(seconds=600)
    left = schedules.sagemaker.list_monitoring_schedules(
        NameContains=schedules.names[MonitorKind.DATA_QUALITY]
    )["MonitoringScheduleSummaries"]
    assert len(left) == 1
    (again,) = drift.last(schedules.target, [MonitorKind.DATA_QUALITY])
    assert again == finding


def test_model_monitor_tells_a_kind_how_far_back_it_looks(schedules: Monitors) -> None:
    for window, hours in ((None, "336"), (timedelta(days=30), "720")):
        finding = drift.run_now(
            schedules.target, kind=MonitorKind.BIAS, window=window, labels=False
        )
        assert schedules.seen(finding)["LOOK_BACK_HOURS"] == hours


def test_a_failure_in_model_monitor_says_the_analyzers_reason(schedules: Monitors) -> None:
    schedules.tell(MonitorKind.DATA_QUALITY, FAILED)
    with pytest.raises(OperationError, match=r"data-quality run .* failed: a\.jsonl, line 3"):
        drift.run_now(schedules.target)
    (newest,) = drift.last(schedules.target, [MonitorKind.DATA_QUALITY])
    assert isinstance(newest, OperationError)


def test_what_was_never_analyzed_is_no_good_news(schedules: Monitors) -> None:
    (never,) = drift.last(schedules.target, [MonitorKind.ATTRIBUTION])
    assert "attribution must have been analyzed before, got no run" in str(never)
    with pytest.raises(
        OperationError, match="of attribution must exist, got none; approve a model"
    ):
        drift.run_now(schedules.target, kind=MonitorKind.ATTRIBUTION)


def test_a_stack_of_before_has_one_monitor(
    target_with: Callable[..., Target], pipelines: Monitors
) -> None:
    pipelines.tell(MonitorKind.DATA_QUALITY, QUIET)
    older = target_with(MonitoringPipelineName=pipelines.names[MonitorKind.DATA_QUALITY])
    assert drift.run_now(older).outcome is FindingOutcome.PASSED
    with pytest.raises(OperationError, match="stack output BiasMonitorName must exist"):
        drift.run_now(older, kind=MonitorKind.BIAS, labels=False)
