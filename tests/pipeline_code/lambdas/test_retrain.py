"""What events say, and what is decided about them: nothing too soon, twice, or without a reason."""

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from retrain import pipeline
from retrain.policy import (
    DECLINE,
    FOUND,
    LOOK,
    START,
    ExecutionHistory,
    RetrainingDecision,
    Rules,
    decide,
    is_uncured,
    uncured,
)
from retrain.state import RequestResult, RetrainingStart, RetrainingState
from retrain.triggers import (
    ALARM,
    DRIFT,
    MANUAL,
    SCHEDULE,
    FailedExecution,
    PassedAnalysis,
    QuietAlarm,
    Resumption,
    RetrainingRequest,
    fitting,
    read,
)

from pipeline_code.contracts.pipelines import fingerprint

NOW = datetime(2018, 6, 10, 12, tzinfo=UTC)
RULES = Rules(
    kinds=frozenset({"data-quality", "model-quality"}),
    cool_down=timedelta(days=1),
    cool_down_of_failed=timedelta(hours=2),
    daily_budget=2,
    uncured_limit=3,
)
NOTHING = ExecutionHistory(running=None, newest=None, retrained=None, named={})
PACKAGE = "arn:aws:sagemaker:us-east-1:000000000000:model-package/fraudloop-dev-fraud/3"


def monitored(detail_type: str, **detail: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "time": "2018-06-10T12:00:00Z",
        "source": "fraudloop.monitor",
        "detail-type": detail_type,
        "detail": detail,
    }


def alarm(state: str) -> dict[str, Any]:
    return {
        "id": "2",
        "time": "2018-06-10T12:00:00Z",
        "source": "aws.cloudwatch",
        "detail-type": "CloudWatch Alarm State Change",
        "resources": ["arn:aws:cloudwatch:us-east-1:000000000000:alarm:quality"],
        "detail": {"alarmName": "quality", "state": {"value": state}},
    }


# What an event says.


def test_a_drift_says_which_monitor_found_what_of_which_version() -> None:
    event = monitored(
        "Monitoring Violations Found",
        monitor_kind="attribution",
        model_version=PACKAGE,
        violations=2,
        violations_uri="s3://artifacts/monitoring/reports/constraint_violations.json",
        features=["amount_minor", "is_night"],
        end_time="2018-06-10T11:00:00+00:00",
    )
    assert read(event) == RetrainingRequest(
        event_id="1",
        until=datetime(2018, 6, 10, 11, tzinfo=UTC),
        trigger=DRIFT,
        monitor="attribution",
        reason="drift: attribution of version 3: 2 violations in amount_minor is_night",
        evidence="s3://artifacts/monitoring/reports/constraint_violations.json",
    )


def test_a_drift_of_an_analysis_without_interval_kind_and_version_is_of_the_data_now() -> None:
    said = read(
        monitored("Monitoring Violations Found", violations=1, features=["amount"], end_time=None)
    )
    assert said == RetrainingRequest(
        event_id="1",
        until=NOW,
        trigger=DRIFT,
        monitor="data-quality",
        reason="drift: data-quality: 1 violations in amount",
        evidence="none",
    )


def test_what_a_monitor_passed_is_no_reason_but_noted() -> None:
    event = monitored("Monitoring Passed", monitor_kind="bias", end_time="2018-06-10T11:00:00")
    assert read(event) == PassedAnalysis(
        event_id="1", until=datetime(2018, 6, 10, 11, tzinfo=UTC), monitor="bias"
    )


def test_an_alarm_that_goes_off_asks() -> None:
    said = read(alarm("ALARM"))
    assert isinstance(said, RetrainingRequest)
    assert (said.trigger, said.monitor, said.reason) == (ALARM, "model-quality", "alarm: quality")
    assert said.evidence == "arn:aws:cloudwatch:us-east-1:000000000000:alarm:quality"


@pytest.mark.parametrize("state", ["OK", "INSUFFICIENT_DATA"])
def test_an_alarm_that_ends_does_not(state: str) -> None:
    assert read(alarm(state)) == QuietAlarm(event_id="2", reason=f"alarm quality went to {state}")


def test_schedules_and_people_ask() -> None:
    rule = "arn:aws:events:us-east-1:000000000000:rule/weekly"
    scheduled = {"id": "3", "time": "2018-06-10T12:00:00Z", "source": "aws.events"}
    said = read({**scheduled, "detail-type": "Scheduled Event", "resources": [rule], "detail": {}})
    assert said == RetrainingRequest(
        event_id="3", until=NOW, trigger=SCHEDULE, monitor="", reason="schedule", evidence=rule
    )
    person = {"id": "4", "time": "2018-06-10T12:00:00Z", "source": "fraudloop.operations"}
    detail = {"reason": "neue Betrüger", "by": "arn:aws:iam::000000000000:user/someone"}
    said = read({**person, "detail-type": "Retraining Requested", "detail": detail})
    assert isinstance(said, RetrainingRequest)
    assert (said.trigger, said.reason) == (MANUAL, "manual: neue Betrüger")
    assert said.evidence == "arn:aws:iam::000000000000:user/someone"
    assert read({**person, "detail-type": "Retraining Resumed", "detail": detail}) == Resumption(
        event_id="4", reason="neue Betrüger"
    )


def execution(status: str) -> dict[str, Any]:
    return {
        "id": "5",
        "time": "2018-06-10T12:00:00Z",
        "source": "aws.sagemaker",
        "detail-type": "SageMaker Model Building Pipeline Execution Status Change",
        "detail": {"currentPipelineExecutionStatus": status, "pipelineExecutionArn": "arn:first"},
    }


def test_an_execution_that_failed_is_noted_and_no_other() -> None:
    assert read(execution("Failed")) == FailedExecution(event_id="5", execution_arn="arn:first")
    with pytest.raises(ValueError, match="got Succeeded of arn:first"):
        read(execution("Succeeded"))


@pytest.mark.parametrize(
    ("source", "kind"),
    [("aws.s3", "Object Created"), ("fraudloop.monitor", "Batch Violations Found")],
)
def test_an_event_of_another_kind_is_an_error(source: str, kind: str) -> None:
    with pytest.raises(ValueError, match=f"got {kind} of {source}"):
        read({"id": "1", "source": source, "detail-type": kind, "detail": {}})


@given(st.text(max_size=400))
def test_a_text_fits_into_a_model_packages_metadata(text: str) -> None:
    found = fitting(text)
    assert len(found.encode()) <= 256
    # SageMaker's pattern: [\p{L}\p{Z}\p{N}_.:\/=+\-@]*
    assert all(c in "_.:/=+-@" or unicodedata.category(c)[0] in "LZN" for c in found)
    assert fitting(found) == found


# What is decided.


def ask(event_id: str = "e", *, until: datetime = NOW, trigger: str = DRIFT) -> RetrainingRequest:
    monitor = {DRIFT: "data-quality", ALARM: "model-quality"}.get(trigger, "")
    return RetrainingRequest(
        event_id=event_id,
        until=until,
        trigger=trigger,
        monitor=monitor,
        reason=f"because of {event_id}",
        evidence="s3://there",
    )


def started(state: RetrainingState, asked: RetrainingRequest, at: datetime) -> RetrainingState:
    start = RetrainingStart(
        event_id=asked.event_id,
        trigger=asked.trigger,
        monitor=asked.monitor,
        at=at,
        name=f"retrain-{asked.event_id}",
        reason=asked.reason,
        evidence=asked.evidence,
        data_version="0",
    )
    return state.asking(start).began(f"arn:{asked.event_id}")


def decided(
    asked: RetrainingRequest,
    state: RetrainingState,
    *,
    now: datetime = NOW,
    seen: ExecutionHistory | None = NOTHING,
) -> tuple[str, str]:
    decision: RetrainingDecision = decide(asked, state, RULES, now=now, seen=seen)
    return decision.action, decision.rule


@pytest.mark.parametrize("trigger", [DRIFT, ALARM, SCHEDULE, MANUAL])
def test_a_first_reason_starts_one(trigger: str) -> None:
    assert decided(ask(trigger=trigger), RetrainingState()) == (START, "")
    assert decided(ask(trigger=trigger), RetrainingState(), seen=None) == (LOOK, "")


@pytest.mark.parametrize("trigger", [DRIFT, ALARM, SCHEDULE, MANUAL])
def test_none_starts_while_an_execution_runs_whoever_started_it(trigger: str) -> None:
    seen = replace(NOTHING, running="arn:by-hand")
    assert decided(ask(trigger=trigger), RetrainingState(), seen=seen) == (DECLINE, "running")


@pytest.mark.parametrize("trigger", [DRIFT, ALARM])
def test_drift_of_a_kind_that_is_not_configured_starts_none(trigger: str) -> None:
    asked = replace(ask(trigger=trigger), monitor="bias")
    assert decided(asked, RetrainingState()) == (DECLINE, "kind")


@pytest.mark.parametrize(
    ("trigger", "hours", "expected"),
    [
        (DRIFT, 23, (DECLINE, "cool-down")),
        (ALARM, 23, (DECLINE, "cool-down")),
        (SCHEDULE, 23, (DECLINE, "cool-down")),
        (MANUAL, 1, (START, "")),
        (DRIFT, 24, (START, "")),
    ],
)
def test_the_cool_down_holds_up_all_but_people(
    trigger: str, hours: int, expected: tuple[str, str]
) -> None:
    began = NOW - timedelta(hours=hours)
    assert (
        decided(ask(trigger=trigger), started(RetrainingState(), ask("first"), began)) == expected
    )
    # The same if somebody has reset the state: the executions tell.
    seen = replace(NOTHING, newest="arn:other", retrained=began)
    assert decided(ask(trigger=trigger), RetrainingState(), seen=seen) == expected
    old = started(
        RetrainingState(), ask("first", trigger=trigger), NOW - timedelta(days=9)
    ).failing("arn:first")
    assert decided(ask(trigger=trigger), old, seen=seen) == expected


@pytest.mark.parametrize(("hours", "action"), [(1, DECLINE), (2, START)])
def test_after_a_retraining_that_failed_the_cool_down_is_short(hours: int, action: str) -> None:
    began = NOW - timedelta(hours=hours)
    state = started(RetrainingState(), ask("first"), began).failing("arn:first")
    # SageMaker's clock says a little later.
    seen = replace(NOTHING, newest="arn:first", retrained=began + timedelta(seconds=2))
    assert decided(ask(), state, seen=seen)[0] == action
    assert decided(ask(), state.failing("arn:other"), seen=seen)[0] == action
    other = started(RetrainingState(), ask("first"), began).failing("arn:other")
    assert decided(ask(), other, seen=seen) == (DECLINE, "cool-down")


def test_a_schedule_keeps_its_own_pace() -> None:
    state = started(RetrainingState(), ask("first", trigger=SCHEDULE), NOW - timedelta(hours=23))
    assert decided(ask(trigger=SCHEDULE), state) == (START, "")
    assert decided(ask(trigger=DRIFT), state) == (DECLINE, "cool-down")


@pytest.mark.parametrize("trigger", [DRIFT, ALARM, SCHEDULE, MANUAL])
def test_what_was_seen_before_the_last_retraining_began_is_stale(trigger: str) -> None:
    state = started(RetrainingState(), ask("first"), NOW - timedelta(days=3))
    late = ask(trigger=trigger, until=NOW - timedelta(days=3, seconds=1))
    assert decided(late, state) == (DECLINE, "stale")


def test_people_count_for_the_days_budget_but_are_not_held_up_by_it() -> None:
    state, rules = RetrainingState(), replace(RULES, cool_down=timedelta(minutes=1))
    for hour in (1, 2):
        state = started(state, ask(f"{hour}", trigger=MANUAL), NOW - timedelta(hours=hour))
    held = decide(ask(), state, rules, now=NOW, seen=NOTHING)
    assert (held.action, held.rule) == (DECLINE, "budget")
    assert decide(ask(trigger=MANUAL), state, rules, now=NOW, seen=NOTHING).action == START
    tomorrow = NOW + timedelta(days=1)
    later = ask(until=tomorrow)
    assert decide(later, state, rules, now=tomorrow, seen=NOTHING).action == START


def test_the_event_of_a_start_is_told_once_and_a_duplicate_from_then_on() -> None:
    state = started(RetrainingState(), ask("first"), NOW)
    assert decided(ask("first"), state) == (FOUND, "")
    assert decided(ask("first"), state.told()) == (DECLINE, "duplicate")


def in_vain(times: int) -> RetrainingState:
    state = RetrainingState()
    for number in range(times):
        state = started(state, ask(f"{number}"), NOW - timedelta(days=20 - 2 * number))
    return state


def test_drift_that_was_not_cured_three_times_asks_in_vain() -> None:
    assert decided(ask(), in_vain(2)) == (START, "")
    assert decided(ask(), in_vain(3)) == (DECLINE, "uncured")
    # Other reasons still count.
    assert decided(ask(trigger=ALARM), in_vain(3)) == (START, "")
    assert decided(ask(trigger=SCHEDULE), in_vain(3)) == (START, "")


def test_the_third_retraining_has_its_chance_before_a_person_is_called() -> None:
    state = in_vain(3)
    assert state.last is not None
    soon = state.last.at + timedelta(hours=1)
    assert decided(ask(until=soon), state, now=soon) == (DECLINE, "cool-down")


def test_a_monitor_that_passes_or_a_person_lets_drift_ask_again() -> None:
    state = in_vain(3)
    assert decided(ask(), state.passing("data-quality", NOW)) == (START, "")
    assert decided(ask(), state.resuming(NOW)) == (START, "")
    by_hand = started(state, ask("by hand", trigger=MANUAL), NOW - timedelta(days=2))
    assert decided(ask(), by_hand) == (START, "")
    assert decided(ask(), state.passing("model-quality", NOW)) == (DECLINE, "uncured")
    # It passed before the last two: what those were for came after.
    assert decided(ask(), state.passing("data-quality", NOW - timedelta(days=19))) == (START, "")


moments = st.datetimes(datetime(2018, 6, 1), datetime(2018, 6, 9), timezones=st.just(UTC))


@given(st.permutations(range(3)), st.lists(moments, min_size=3, max_size=3))
def test_the_order_in_which_passing_is_told_does_not_matter(
    order: list[int], passed: list[datetime]
) -> None:
    state = in_vain(3)
    for index in order:
        state = state.passing("data-quality", passed[index])
    assert uncured("data-quality", state) == uncured(
        "data-quality", in_vain(3).passing("data-quality", max(passed))
    )


# Whatever the events, their order and their times.


@dataclass
class World:
    """A pipeline whose executions take six hours, and what the policy makes of events."""

    state: RetrainingState = field(default_factory=RetrainingState)
    starts: list[tuple[datetime, RetrainingRequest]] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)

    def handle(self, asked: RetrainingRequest, now: datetime) -> None:
        running = any(now - at < timedelta(hours=6) for at, _ in self.starts)
        newest = max((at for at, _ in self.starts), default=None)
        last = self.state.last
        arn = last.execution_arn if last else None
        seen = ExecutionHistory(
            running="arn" if running else None, newest=arn, retrained=newest, named={}
        )
        decision = decide(asked, self.state, RULES, now=now, seen=None)
        if decision.action == LOOK:
            decision = decide(asked, self.state, RULES, now=now, seen=seen)
        if decision.action == START:
            assert not running
            self.starts.append((now, asked))
            self.state = started(self.state, asked, now).told()
        self.outcomes.append(decision.action)


asks = st.builds(
    lambda number, age, trigger: (number, timedelta(hours=age), trigger),
    st.integers(0, 30),
    st.integers(0, 72),
    st.sampled_from([DRIFT, DRIFT, DRIFT, ALARM, SCHEDULE, MANUAL]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), asks), max_size=40))
def test_whatever_comes_in_whatever_order_the_rules_hold(
    arrivals: list[tuple[int, tuple[int, timedelta, str]]],
) -> None:
    world, now = World(), NOW
    for hours, (number, age, trigger) in arrivals:
        now += timedelta(hours=hours)
        world.handle(ask(f"{number}", until=now - age, trigger=trigger), now)
    assert len(world.outcomes) == len(arrivals)
    assert set(world.outcomes) <= {START, DECLINE}
    assert_paced(world.starts)


def assert_paced(starts: Iterable[tuple[datetime, RetrainingRequest]]) -> None:
    """Held up by what came before: by the cool-down, by the budget, by having been in vain."""
    before: list[tuple[datetime, RetrainingRequest]] = []
    for at, asked in starts:
        today = [each for each in before if each[0].date() == at.date()]
        same_pace = before and before[-1][1].trigger == asked.trigger == SCHEDULE
        if asked.trigger != MANUAL:
            assert len(today) < RULES.daily_budget
            assert not before or same_pace or at - before[-1][0] >= RULES.cool_down
        if asked.trigger in (DRIFT, ALARM):
            in_a_row = 0
            for _, earlier in before:
                if earlier.trigger == MANUAL:
                    in_a_row = 0
                in_a_row += earlier.trigger == asked.trigger
            assert in_a_row < RULES.uncured_limit
        before.append((at, asked))


# What is kept.

texts = st.text(max_size=80).map(fitting)
ends = st.builds(
    RetrainingStart,
    event_id=st.uuids().map(str),
    trigger=st.sampled_from([DRIFT, ALARM, SCHEDULE, MANUAL]),
    monitor=st.sampled_from(["data-quality", "model-quality", "bias", "attribution"]),
    at=moments,
    name=st.just("retrain-20180610T120000-0123456789ab"),
    reason=texts,
    evidence=texts,
    data_version=st.just("0" * 32),
)


@given(st.lists(ends, max_size=12), ends, st.none() | moments, texts)
def test_a_state_is_read_as_it_was_kept_and_fits_into_a_parameter(
    starts: list[RetrainingStart], pending: RetrainingStart, resumed: datetime | None, reason: str
) -> None:
    state = RetrainingState()
    for start in starts:
        arn = f"arn:aws:sagemaker:us-east-1:000000000000:pipeline/p/execution/{start.event_id}"
        state = state.asking(start).began(arn).passing(start.monitor, start.at)
    state = state if resumed is None else state.resuming(resumed)
    answer = RequestResult(event_id="1", outcome="started", reason=reason, execution_arn="arn")
    state = state.asking(pending).answering(answer)
    assert RetrainingState.parse(state.text()) == state


def test_the_longest_state_fits_into_a_parameter() -> None:
    state, long = RetrainingState(), fitting("ü" * 300)
    for kind in ("data-quality", "model-quality", "bias", "attribution"):
        for day in range(1, 9):
            asked = replace(ask(f"{day:036}"), monitor=kind, reason=long, evidence=long)
            at = datetime(2018, 6, day, 12, 0, 0, 123456, tzinfo=UTC)
            state = started(state, asked, at).told().passing(kind, at)
    state = state.resuming(datetime(2018, 6, 9, 1, 2, 3, 123456, tzinfo=UTC))
    assert state.last is not None
    arn = "arn:aws-us-gov:sagemaker:us-gov-west-1:000000000000:pipeline/" + "p" * 100
    answer = RequestResult(
        event_id="0" * 36, outcome="declined", reason=long * 2, execution_arn=arn
    )
    state = replace(state, last=replace(state.last, execution_arn=arn)).answering(answer)
    state = state.asking(replace(state.last or pytest.fail(), data_version="0" * 32))
    assert len(state.text().encode()) <= 4096


def test_a_later_versions_state_is_read() -> None:
    state = started(RetrainingState(), ask(), NOW)
    document = json.loads(state.text())
    document["added"] = document["last"]["added"] = 1
    assert RetrainingState.parse(json.dumps(document)) == state


@pytest.mark.parametrize("text", ["", "null", "{}", '{"last": 1}', "None"])
def test_a_state_of_somebody_else_is_an_error_that_says_what_to_do(text: str) -> None:
    with pytest.raises(ValueError, match="set the parameter to none to begin anew"):
        RetrainingState.parse(text)


def test_is_uncured_goes_by_the_limit() -> None:
    assert not is_uncured("data-quality", in_vain(2), RULES)
    assert is_uncured("data-quality", in_vain(3), RULES)


listings = st.dictionaries(
    st.text("abc/=-_1", min_size=1), st.text("0123456789abcdef-"), max_size=8
)


class Listing:
    """What boto3's paginator gives for a bucket, two objects a page."""

    def __init__(self, objects: dict[str, str]) -> None:
        self._objects = list(objects.items())

    def get_paginator(self, operation: str) -> "Listing":
        assert operation == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803
        assert Bucket == "raw"
        items = [
            {"Key": key, "ETag": f'"{tag}"'} for key, tag in self._objects if key.startswith(Prefix)
        ]
        return [{"Contents": items[at : at + 2]} for at in range(0, len(items), 2)] + [{}]


@given(listings, listings, listings)
def test_the_lambda_and_the_command_name_the_data_alike(
    transactions: dict[str, str], reports: dict[str, str], others: dict[str, str]
) -> None:
    relevant = {f"transactions/{key}": tag for key, tag in transactions.items()}
    relevant |= {f"fraud_reports/{key}": tag for key, tag in reports.items()}
    objects = relevant | {f"customers/{key}": tag for key, tag in others.items()}
    assert pipeline.data_version(Listing(objects), "raw") == fingerprint(reversed(relevant.items()))


def test_a_changed_object_changes_the_fingerprint() -> None:
    before = fingerprint([("transactions/a", "1"), ("transactions/b", "2")])
    assert before != fingerprint([("transactions/a", "1"), ("transactions/b", "3")])
    assert before != fingerprint([("transactions/a", "1")])
    assert before == fingerprint([("transactions/b", '"2"'), ("transactions/a", "1")])
