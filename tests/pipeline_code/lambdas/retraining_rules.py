"""Rules of retraining as configured here, and requests for it."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from retrain.policy import (
    Rules,
)
from retrain.state import RetrainingStart, RetrainingState
from retrain.triggers import (
    ALARM,
    DRIFT,
    RetrainingRequest,
)

NOW = datetime(2018, 6, 10, 12, tzinfo=UTC)


RULES = Rules(
    kinds=frozenset({"data-quality", "model-quality"}),
    cool_down=timedelta(days=1),
    cool_down_of_failed=timedelta(hours=2),
    daily_budget=2,
    uncured_limit=3,
)


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


def in_vain(times: int) -> RetrainingState:
    state = RetrainingState()
    for number in range(times):
        state = started(state, ask(f"{number}"), NOW - timedelta(days=20 - 2 * number))
    return state


moments = st.datetimes(datetime(2018, 6, 1), datetime(2018, 6, 9), timezones=st.just(UTC))
