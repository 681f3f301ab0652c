"""Both monitoring engines as they are deployed: a quiet week, four drifts, and one retraining.

The week is of the lake; its answers are the deployed model's, put where the endpoint's captures
are and taken away after each scenario; the monitors look back no further than that.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from app import build_app
from lifecycle.monitoring.monitoring import Engine
from operations import executions
from operations.deployment import toolchain
from operations.errors import OperationError
from operations.monitoring import drift, retraining
from operations.monitoring.findings import Finding, FindingOutcome
from operations.monitoring.monitor_runs import bring_labels
from operations.target import Target, connect
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.train.model import Model
from stacks.environments import environment_named

from .captured import Exchanges, Week

pytestmark = pytest.mark.end_to_end

Captured = Callable[..., dict[MonitorKind, Finding]]
INPUTS = [MonitorKind.DATA_QUALITY, MonitorKind.ATTRIBUTION]
NEW = 10**9


@pytest.fixture(scope="module")
def week(events: tuple[pa.Table, pa.Table]) -> Week:
    return Week.of(*events)


@pytest.fixture(scope="module")
def retrainings(played: Any) -> Iterator[list[str]]:
    """What tests saw the monitors' events start; nothing else may have been."""
    before, started = _retrainings(played.target), list[str]()
    yield started
    deadline = time.monotonic() + 60
    while any(retraining.status(played.target)["waiting"].values()):
        assert time.monotonic() < deadline, "events are still waiting"
        time.sleep(0.5)
    assert _retrainings(played.target) - before == set(started)
    assert len(started) == 1


@pytest.fixture(scope="module", params=["model_monitor", "scheduled"])
def target(
    request: pytest.FixtureRequest,
    played: Any,
    retrainings: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Target:
    """The environment with either engine; the second takes the place of the first."""
    engine: Engine = request.param
    found = connect("local", profile=None, region=None, state=played.state)
    if found.output("MonitoringEngine") != engine:
        local = environment_named("local")
        environment = replace(local, monitoring=replace(local.monitoring, engine=engine))
        assembly = tmp_path_factory.mktemp("assembly") / "cdk.out"
        build_app(environment, outdir=str(assembly)).synth()
        toolchain.deploy(found, assembly)
        # What a target knows of the stacks' outputs is of when it was first asked.
        found = connect("local", profile=None, region=None, state=played.state)
    assert found.output("MonitoringEngine") == engine
    return found


@pytest.fixture
def exchanges(target: Target, model: Model) -> Iterator[Exchanges]:
    """Captures that are gone when the next scenario begins."""
    with Exchanges.of(target, model) as exchanges:
        yield exchanges


@pytest.fixture
def monitored(target: Target, exchanges: Exchanges) -> Captured:
    """monitored(rows, kind, ...): what the monitors find in these rows' exchanges."""

    def find(rows: pa.Table, *kinds: MonitorKind, **options: Any) -> dict[MonitorKind, Finding]:
        moment = exchanges.capture(rows, **options)
        if any(kind.needs_labels for kind in kinds):
            bring_labels(target, timedelta(hours=1), timeout_seconds=300)
        asked = drift.run_all(target, kinds, window=_since(moment), labels=False)
        found = {each.kind: each for each in asked if isinstance(each, Finding)}
        assert len(found) == len(kinds), asked
        return found

    return find


def test_a_quiet_week_raises_nothing(monitored: Captured, week: Week) -> None:
    found = monitored(week.features(), *MonitorKind)
    assert [each for finding in found.values() for each in finding.broken] == []
    assert [found[kind].outcome for kind in INPUTS] == [FindingOutcome.PASSED] * 2


def test_inflated_amounts_are_drift_and_retrain_once(
    target: Target, monitored: Captured, week: Week, retrainings: list[str]
) -> None:
    amounts = week.transactions["amount_minor"].to_numpy()
    inflated = week.changed("amount_minor", np.where(week.inside, 2 * amounts, amounts))
    # The demo's own retraining is minutes ago; those of this module are within the cool-down.
    with nullcontext() if retrainings else _short_cool_down(target):
        found = monitored(inflated.features(), MonitorKind.DATA_QUALITY)
        assert "amount_minor" in _features(found[MonitorKind.DATA_QUALITY])
        if not retrainings:
            retrainings.append(_started(target))


def test_new_terminals_are_drift(monitored: Captured, week: Week) -> None:
    terminals = week.transactions["terminal_id"].to_numpy()
    ids = week.transactions["transaction_id"].to_numpy()
    moved = np.where(week.inside & (ids % 2 == 0), NEW + ids % 1_000, terminals)
    found = monitored(week.changed("terminal_id", moved).features(), MonitorKind.DATA_QUALITY)
    drifted = _features(found[MonitorKind.DATA_QUALITY])
    assert any(name.startswith("terminal_") for name in drifted), drifted


def test_a_feature_that_turns_null_is_found(monitored: Captured, week: Week) -> None:
    null = {"customer_mean_amount_7d": 3}
    found = monitored(week.features(), MonitorKind.DATA_QUALITY, null=null)
    (violation,) = found[MonitorKind.DATA_QUALITY].broken
    assert violation["feature_name"] == "customer_mean_amount_7d"
    assert violation["constraint_check_type"] == "completeness_check"


def test_other_labels_of_the_same_inputs_are_worse_quality(monitored: Captured, week: Week) -> None:
    """Frauds come to be what the model takes for none."""
    rows = week.features()
    ids = rows["transaction_id"].to_numpy()
    place = rows.schema.get_field_index("transaction_id")
    other = rows.set_column(place, "transaction_id", pa.array(np.roll(ids, len(ids) // 2)))
    found = monitored(other, *INPUTS, MonitorKind.MODEL_QUALITY)
    assert found[MonitorKind.MODEL_QUALITY].outcome is FindingOutcome.VIOLATED
    assert [found[kind].outcome for kind in INPUTS] == [FindingOutcome.PASSED] * 2


def test_a_damaged_capture_is_a_failure_and_is_tried_again(
    target: Target, exchanges: Exchanges, week: Week
) -> None:
    moment = exchanges.capture(week.features().slice(0, 300), cut_off=True)
    before = _analyses(target)
    (found,) = drift.run_all(target, [MonitorKind.DATA_QUALITY], window=_since(moment))
    assert isinstance(found, OperationError)
    assert "line 300" in str(found)
    deadline = time.monotonic() + 60
    while len(_analyses(target) - before) < 2:
        assert time.monotonic() < deadline, "the failed analysis must be tried again"
        time.sleep(0.5)


def _since(moment: datetime) -> timedelta:
    """A window that holds what was captured then."""
    # It ends with a whole second, which must have passed; and jobs begin a little later.
    time.sleep(1)
    return datetime.now(UTC) - moment + timedelta(seconds=20)


def _features(finding: Finding) -> set[str]:
    return {violation["feature_name"] for violation in finding.broken}


def _analyses(target: Target) -> set[str]:
    listed = target.client("sagemaker").list_processing_jobs(
        SortBy="CreationTime", SortOrder="Descending", MaxResults=20
    )
    return {each["ProcessingJobName"] for each in listed["ProcessingJobSummaries"]}


def _retrainings(target: Target) -> set[str]:
    return {
        item["PipelineExecutionArn"]
        for item in executions.recent(target, limit=50)
        if item.get("PipelineExecutionDisplayName", "").startswith("retrain-")
    }


def _started(target: Target) -> str:
    """The retraining that has begun a moment ago; it need not go on."""
    sagemaker, deadline = target.client("sagemaker"), time.monotonic() + 60
    while True:
        newest = executions.recent(target, limit=1)[0]
        if newest["PipelineExecutionStatus"] == "Executing":
            break
        assert time.monotonic() < deadline, "no retraining began"
        time.sleep(0.5)
    assert newest["PipelineExecutionDisplayName"].startswith("retrain-")
    arn: str = newest["PipelineExecutionArn"]
    sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken="s" * 32)
    return arn


@contextmanager
def _short_cool_down(target: Target) -> Iterator[None]:
    functions, name = target.client("lambda"), target.output("RetrainingFunctionName")
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    short = {"Variables": variables | {"COOL_DOWN_SECONDS": "1"}}
    functions.update_function_configuration(FunctionName=name, Environment=short)
    yield
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
