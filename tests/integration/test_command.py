"""The command on what the demo left: what it shows at 80 columns, and what runs by itself."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from operations import console, executions
from operations.cli import app
from operations.target import PROJECT_ROOT

pytestmark = pytest.mark.end_to_end

COLUMNS = 80
# Nobody wants to read them: names by which stacks give each other values, Python's notation, ARNs.
UNREADABLE = re.compile(r"ExportsOutput|\{'|\['|\barn:aws")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

Ask = Callable[..., Result]


@pytest.fixture
def ask(played: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Asks the command about the demo's environment, in a terminal's width."""
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    runner, consoles = CliRunner(), (console.people, console.errors)
    for each in consoles:  # they know a width from when they were made
        each.cache_clear()
    yield lambda *arguments: runner.invoke(app, [*arguments, "--state", str(played.state)])
    for each in consoles:
        each.cache_clear()


@pytest.fixture(scope="module")
def retrained(played: Any) -> str:
    """The name of the execution that the retraining function started."""
    (name,) = (
        item["PipelineExecutionDisplayName"]
        for item in executions.recent(played.target, limit=50)
        if item["PipelineExecutionDisplayName"].startswith("retrain-")
    )
    return str(name)


def test_the_demo_says_in_a_log_what_happens_and_when(played: Any) -> None:
    lines = played.output.splitlines()
    said = [line.split(" ", 1) for line in lines if TIME.match(line)]
    times = [datetime.fromisoformat(time) for time, _ in said]
    assert times == sorted(times)
    assert {time.utcoffset() for time in times} == {timedelta(0)}
    begun = [text.removesuffix(": began") for _, text in said if text.endswith(": began")]
    stages = [stage["name"] for stage in played.result["stages"]]
    assert [name for name in begun if name in stages] == stages
    told = "\n".join(text for _, text in said)
    for part in (
        "fraudloop-local-serving: CREATE_COMPLETE, ",
        "TrainModel: Succeeded, ",
        " scored",
    ):
        assert part in told
    # The table is what is left.
    table = [line for line in lines if not TIME.match(line) and not line.startswith("next: ")]
    assert not [line for line in table if len(line) > COLUMNS or UNREADABLE.search(line)]


@pytest.mark.parametrize(
    "verb",
    [
        "status",
        "models",
        "lineage",
        "lineage 1",
        "logs",
        "watch RETRAINED",
        "report evaluation 1",
        "report monitor 1",
        "drift --last --kind all",
        "compare 1 2",
        "schema status",
        "shadow status",
        "retraining status",
    ],
)
def test_what_is_shown_fits_80_columns(ask: Ask, retrained: str, verb: str) -> None:
    done = ask(*verb.replace("RETRAINED", retrained).split())
    # A monitor that has found nothing yet, or something, has an exit code of its own.
    assert done.exit_code == 0 or verb.startswith("drift"), done.stderr
    # Sentences and addresses are lines of their own, which stay in one piece.
    whole = re.compile(r"s3://|\S+: failed|[\d,]+ records from ")
    lines = [line for line in done.stdout.splitlines() if not whole.match(line)]
    assert not [line for line in lines if len(line) > COLUMNS]
    assert not UNREADABLE.search(done.stdout)


def test_wide_shows_it_all(ask: Ask) -> None:
    shown = ask("models", "--wide")
    assert re.search("version.*revision.*learned from.*trained for.*decided by", shown.stdout)
    assert "arn:aws:iam::000000000000:user/operator" in shown.stdout
    assert "fraudloop-local-monitoring-MonitoringAlarmsDrift" in ask("status", "--wide").stdout


def test_status_shows_the_alarms_that_are_unhealthy_by_short_names(ask: Ask) -> None:
    shown = ask("status").stdout
    title = re.search(r"Alarms: (\d+) of (\d+) in ALARM", shown)
    assert title is not None
    assert "monitoring-MonitoringAlarmsDrift " in shown
    assert int(title[1]) == len(re.findall(r" ALARM\n", shown)) < int(title[2])


# Names that people call them by, those that AWS does, and parts of them.
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("TrainModel", '"final": true'),
        ("trainmodel", '"final": true'),
        ("RetrainingTrigger", "retraining"),
        ("endpoint", "CloudWatchMetrics"),
        ("fraudloop-local-fraud", "CloudWatchMetrics"),
    ],
)
def test_logs_are_found_by_name(ask: Ask, name: str, line: str) -> None:
    done = ask("logs", name, "--lines", "1000")
    assert done.exit_code == 0, done.stderr
    assert line in done.stdout
    assert len(done.stdout.splitlines()) <= 1000
    assert all(TIME.match(each) for each in done.stdout.splitlines())


def test_logs_are_found_by_the_names_of_jobs_and_functions(played: Any, ask: Ask) -> None:
    first = executions.recent(played.target, limit=50)[-1]["PipelineExecutionArn"]
    jobs = {step.name: step.job for step in executions.describe(played.target, first).steps}
    document = json.loads(ask("logs", jobs["TrainModel"], "--follow", "--json", "-").stdout)
    assert '"final": true' in document["lines"][-1]["message"]
    function = ask("logs", played.target.output("RetrainingFunctionName"))
    assert "retraining" in function.stdout, function.stderr


def test_a_log_that_is_none_or_one_of_several_is_refused_with_those_there_are(ask: Ask) -> None:
    several = ask("logs", "transform")
    assert several.exit_code == 1
    assert "which is one of several: FraudReportsTransformation, " in several.stderr
    none = ask("logs", "nothing")
    assert none.exit_code == 1
    assert "got 'nothing', which is none: " in none.stderr


def test_reports_are_downloaded_into_the_state_and_opened(
    played: Any, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("typer.launch", opened.append)
    for what in ("evaluation", "monitor"):
        done = ask("report", what, "1", "--open", "--json", "-")
        assert done.exit_code == 0, done.output
        files = [Path(report["file"]) for report in json.loads(done.stdout)["reports"]]
        assert files
        assert opened[-len(files) :] == [file.as_uri() for file in files]
        for file in files:
            assert file.parent == played.state / "reports"
            assert "<html" in file.read_text()


def test_a_report_that_is_none_says_what_to_do(ask: Ask) -> None:
    done = ask("report", "evaluation", "99")
    assert done.exit_code == 1
    assert "package must be a version of fraudloop-local-fraud, got '99'" in done.stderr


def test_nothing_runs_that_could_be_watched_or_stopped(ask: Ask) -> None:
    for verb in ("watch", "stop"):
        done = ask(verb)
        assert done.exit_code == 1
        assert "must be running" in done.stderr
        unknown = ask(verb, "manual-nothing")
        assert unknown.exit_code == 1
        assert "got 'manual-nothing'; the newest: " in unknown.stderr


def test_ctrl_c_says_what_goes_on_and_stop_stops_it(played: Any, ask: Ask) -> None:
    state = ["--state", str(played.state)]
    with subprocess.Popen(
        [sys.executable, "-m", "operations.cli", "train", "--progress", "json", *state],
        cwd=PROJECT_ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # What runs in the background ignores Ctrl-C, and so do its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as train:
        assert train.stderr is not None
        updates = map(json.loads, train.stderr)
        # No evaluation is cached: each takes as long as is needed to stop it.
        next(each for each in updates if each["item"] == "EvaluateModel" and not each["ended"])
        train.send_signal(signal.SIGINT)
        last = train.stderr.read().splitlines()[-1]
    assert train.returncode == 130
    (name,) = set(re.findall(r"manual-\d{8}T\d{6}-[0-9a-f]{4}", last))
    assert f"`fraudloop watch {name} {' '.join(state)}` attaches to it" in last
    stopped = ask("stop", "--json", "-")
    assert stopped.exit_code == 0, stopped.stderr
    document = json.loads(stopped.stdout)
    assert (document["name"], document["status"]) == (name, "Stopped")
    assert document["model_package"] is None
    watched = ask("watch", name)
    assert watched.exit_code == 1
    assert f"{name} was stopped" in watched.stderr
    again = ask("stop", name)
    assert f"execution {name} must be running, got one Stopped" in again.stderr
