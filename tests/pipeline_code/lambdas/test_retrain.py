"""What events say, and what is decided about them: nothing too soon, twice, or without a reason."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from retrain.policy import (
    DECLINE,
    FOUND,
    LOOK,
    START,
    ExecutionHistory,
    RetrainingDecision,
    decide,
    uncured,
)
from retrain.state import RetrainingState
from retrain.triggers import (
    ALARM,
    DRIFT,
    MANUAL,
    SCHEDULE,
    RetrainingRequest,
)

from .retraining_rules import NOW, RULES, ask, in_vain, moments, started

NOTHING = ExecutionHistory(running=None, newest=None, retrained=None, named={})


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
