"""The retraining policy: decided by what is known alone, without asking AWS.

    decide(ask, state, rules, now=now, seen=None)  # RetrainingDecision(DECLINE, "cool-down", "...")

The rules, in this order. An event is declined if
    duplicate: a retraining was started for this very event already;
    kind: no retraining is wanted for this kind of monitoring;
    stale: what it is about was seen before the last retraining began, which may have cured it;
    cool-down: the last retraining began a short while ago, so that the training window holds mostly
        the same rows. One that failed taught nothing: after it, less is enough. A schedule waits
        for no retraining that it asked for itself: it has its own pace;
    budget: so many retrainings began on this day (UTC);
    running: an execution of the pipeline runs, whoever started it;
    uncured: so many retrainings in a row, for this kind of drift, were not followed by a time
        without it. Retraining does not help: an operator has to look.
An operator's request is declined only as a duplicate, as stale, or while an execution runs.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipeline_code.contracts.environment import variable

from retrain.state import RetrainingStart, RetrainingState
from retrain.triggers import ALARM, DRIFT, MANUAL, SCHEDULE, RetrainingRequest

__all__ = [
    "DECLINE",
    "FOUND",
    "LOOK",
    "START",
    "ExecutionHistory",
    "RetrainingDecision",
    "Rules",
    "decide",
    "is_uncured",
    "uncured",
]

SECOND = timedelta(seconds=1)
# Start one; one was started for this event before, and nobody was told; decline; or look at the
# pipeline's executions and decide again.
START, FOUND, DECLINE, LOOK = "start", "found", "decline", "look"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the environment is configured to.

    Attributes:
        kinds: Kinds of monitoring whose drift retrains.
        cool_down: Between two retrainings.
        cool_down_of_failed: After one that failed, if that is less.
        daily_budget: Retrainings a day (UTC), an operator's among them.
        uncured_limit: Retrainings in a row for the same kind of drift that may be in vain.
    """

    kinds: frozenset[str]
    cool_down: timedelta = variable("COOL_DOWN_SECONDS", scale=SECOND)
    cool_down_of_failed: timedelta = variable("FAILED_COOL_DOWN_SECONDS", scale=SECOND)
    daily_budget: int
    uncured_limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionHistory:
    """What the pipeline's executions tell.

    Attributes:
        running: ARN of one that runs; None if none does.
        newest: ARN of the newest one that was started for an event; None without one.
        retrained: When that one began.
        named: ARNs of those that were started for an event, by display name.
    """

    running: str | None
    newest: str | None
    retrained: datetime | None
    named: dict[str, str]


@dataclass(frozen=True, slots=True)
class RetrainingDecision:
    """What to do, the rule that says so, and why in words."""

    action: str
    rule: str = ""
    why: str = ""


def decide(
    ask: RetrainingRequest,
    state: RetrainingState,
    rules: Rules,
    *,
    now: datetime,
    seen: ExecutionHistory | None,
) -> RetrainingDecision:
    """What an event comes to.

    Args:
        ask: The event.
        state: What was done before.
        rules: The configuration.
        now: The present moment.
        seen: The pipeline's executions; None as long as nobody has looked. Then the decision may
            be to look.
    """
    last = state.last
    if last is not None and ask.event_id == last.event_id:
        told = RetrainingDecision(
            DECLINE, "duplicate", f"execution {last.execution_arn} was started for it"
        )
        return told if last.told else RetrainingDecision(FOUND)
    decision = _too_soon(ask, last, _began(last, seen), rules, now)
    decision = decision or _over_budget(ask, state, rules, now)
    if decision is not None:
        return decision
    if seen is None:
        return RetrainingDecision(LOOK)
    if seen.running is not None:
        return RetrainingDecision(DECLINE, "running", f"execution {seen.running} is running")
    if is_uncured(ask.monitor, state, rules) and ask.trigger in (DRIFT, ALARM):
        return RetrainingDecision(DECLINE, "uncured", _in_vain(ask.monitor, state))
    return RetrainingDecision(START)


def uncured(monitor: str, state: RetrainingState) -> int:
    """How many retrainings for this kind of drift there were since it was last not there."""
    since = [state.passed.get(monitor), state.resumed]
    after = max((moment for moment in since if moment), default=None)
    return sum(after is None or moment > after for moment in state.series.get(monitor, ()))


def is_uncured(monitor: str, state: RetrainingState, rules: Rules) -> bool:
    """Whether retraining has been in vain too often."""
    return uncured(monitor, state) >= rules.uncured_limit


def _began(last: RetrainingStart | None, seen: ExecutionHistory | None) -> datetime | None:
    """When the last retraining began; the state knows, unless an operator has reset it."""
    if seen is None or seen.retrained is None:
        return None if last is None else last.at
    if last is None:
        return seen.retrained
    is_known = seen.newest == last.execution_arn
    return last.at if is_known else max(last.at, seen.retrained)


def _too_soon(
    ask: RetrainingRequest,
    last: RetrainingStart | None,
    began: datetime | None,
    rules: Rules,
    now: datetime,
) -> RetrainingDecision | None:
    if ask.trigger in (DRIFT, ALARM) and ask.monitor not in rules.kinds:
        return RetrainingDecision(
            DECLINE, "kind", f"{ask.monitor} retrains nothing in this environment"
        )
    if began is None:
        return None
    if ask.until <= began:
        return RetrainingDecision(
            DECLINE, "stale", f"the last retraining began after it, at {began}"
        )
    known = last if last is not None and last.at == began else None
    own_pace = ask.trigger == SCHEDULE and known is not None and known.trigger == SCHEDULE
    is_failed = known is not None and known.failed
    wanted = min(rules.cool_down, rules.cool_down_of_failed) if is_failed else rules.cool_down
    if ask.trigger != MANUAL and not own_pace and now - began < wanted:
        why = f"the last retraining began at {began}, within the cool-down of {wanted}"
        return RetrainingDecision(DECLINE, "cool-down", why)
    return None


def _over_budget(
    ask: RetrainingRequest, state: RetrainingState, rules: Rules, now: datetime
) -> RetrainingDecision | None:
    today = now.astimezone(UTC).date().isoformat()
    begun = state.count if state.day == today else 0
    if ask.trigger != MANUAL and begun >= rules.daily_budget:
        return RetrainingDecision(
            DECLINE, "budget", f"{begun} retrainings began on {today} already"
        )
    return None


def _in_vain(monitor: str, state: RetrainingState) -> str:
    return (
        f"{uncured(monitor, state)} retrainings in a row did not cure {monitor}; find out why, "
        "then use `fraudloop retraining resume`"
    )
