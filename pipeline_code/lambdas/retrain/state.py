"""The retrainings that were started, and for what; stored in an SSM parameter."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Self

import boto3

from retrain.calls import CONFIG
from retrain.triggers import ALARM, DRIFT, MANUAL

__all__ = ["RequestResult", "RetrainingStart", "RetrainingState", "StateParameter"]

EMPTY = "none"
# The most that may be in vain, by configuration; a parameter holds 4096 bytes.
SERIES_LIMIT = 5
ANSWER_BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingStart:
    """One retraining that was asked for.

    Attributes:
        event_id: The event that it is for.
        trigger: What kind of event.
        monitor: The kind of monitoring that it is for; empty if for none.
        at: When it was asked for.
        name: Display name of its execution.
        reason: Why, in words.
        evidence: Where that can be checked.
        data_version: Of the raw data.
        execution_arn: Of its execution; empty as long as the response is not known.
        told: Whether the event's outcome was said.
        failed: Whether the execution failed.
    """

    event_id: str
    trigger: str
    monitor: str
    at: datetime
    name: str
    reason: str
    evidence: str
    data_version: str
    execution_arn: str = ""
    told: bool = False
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestResult:
    """What an operator's event came to, for whoever waits for it."""

    event_id: str
    outcome: str
    reason: str
    execution_arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingState:
    """All that decisions depend on, beside the pipeline's executions.

    Attributes:
        pending: A start whose response is not known; it may have happened.
        last: The last start that happened.
        day: The day (UTC) of that start.
        count: How many there were on that day.
        series: When retrainings for each kind of drift began; the latest.
        passed: Up to when each kind of monitoring last found nothing.
        resumed: When an operator last took matters in hand.
        answer: Of the last event of an operator.
    """

    pending: RetrainingStart | None = None
    last: RetrainingStart | None = None
    day: str = ""
    count: int = 0
    series: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)
    passed: Mapping[str, datetime] = field(default_factory=dict)
    resumed: datetime | None = None
    answer: RequestResult | None = None

    def asking(self, start: RetrainingStart) -> Self:
        """Before a start: it may happen from now on."""
        return replace(self, pending=start)

    def given_up(self) -> Self:
        """The pending start did not happen and will not."""
        return replace(self, pending=None)

    def began(self, execution_arn: str) -> Self:
        """The pending start has happened."""
        start = self.pending
        if start is None:
            raise ValueError(f"pending must be a start, got none that {execution_arn} could be of")
        day = start.at.astimezone(UTC).date().isoformat()
        series, resumed = dict(self.series), self.resumed
        if start.trigger in (DRIFT, ALARM):
            known = (*series.get(start.monitor, ()), start.at)
            series[start.monitor] = known[-SERIES_LIMIT:]
        if start.trigger == MANUAL:
            resumed = start.at
        return replace(
            self,
            pending=None,
            last=replace(start, execution_arn=execution_arn),
            day=day,
            count=self.count + 1 if self.day == day else 1,
            series=series,
            resumed=resumed,
        )

    def told(self) -> Self:
        """The outcome of the last start's event was said."""
        return self if self.last is None else replace(self, last=replace(self.last, told=True))

    def failing(self, execution_arn: str) -> Self:
        """An execution failed; of retrainings before the last one that changes nothing."""
        if self.last is None or self.last.execution_arn != execution_arn:
            return self
        return replace(self, last=replace(self.last, failed=True))

    def passing(self, monitor: str, until: datetime) -> Self:
        """A kind of monitoring found nothing up to a moment; whatever the order of such events."""
        known = self.passed.get(monitor)
        moment = until if known is None else max(known, until)
        return replace(self, passed={**self.passed, monitor: moment})

    def resuming(self, at: datetime) -> Self:
        """An operator took matters in hand."""
        return replace(self, resumed=at)

    def answering(self, answer: RequestResult) -> Self:
        """What an operator's event came to."""
        cut = answer.reason.encode()[:ANSWER_BYTES].decode(errors="ignore")
        return replace(self, answer=replace(answer, reason=cut))

    def text(self) -> str:
        """As it is stored."""
        return json.dumps(asdict(self), default=datetime.isoformat, ensure_ascii=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """From what is stored; before the first event, the parameter says `none`.

        Raises:
            ValueError: It is something else.
        """
        if text == EMPTY:
            return cls()
        try:
            found = json.loads(text)
            return cls(
                pending=_start(found["pending"]),
                last=_start(found["last"]),
                day=found["day"],
                count=found["count"],
                series={
                    monitor: tuple(datetime.fromisoformat(moment) for moment in moments)
                    for monitor, moments in found["series"].items()
                },
                passed={
                    monitor: datetime.fromisoformat(moment)
                    for monitor, moment in found["passed"].items()
                },
                resumed=found["resumed"] and datetime.fromisoformat(found["resumed"]),
                answer=found["answer"] and RequestResult(**_known(RequestResult, found["answer"])),
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"state of retraining must be what this function wrote, got {text[:200]!r}; set "
                f"the parameter to {EMPTY} to begin anew"
            ) from error


class StateParameter:
    """The SSM parameter; only this function writes it, one event at a time.

    Needs: ssm:GetParameter and PutParameter on it.
    """

    def __init__(self, name: str) -> None:
        self._ssm = boto3.client("ssm", config=CONFIG)
        self._name = name

    def load(self) -> RetrainingState:
        """What is stored.

        Raises:
            ValueError: It is not what this function wrote.
        """
        return RetrainingState.parse(self._ssm.get_parameter(Name=self._name)["Parameter"]["Value"])

    def save(self, state: RetrainingState) -> None:
        """Keep a state in place of the last one."""
        self._ssm.put_parameter(Name=self._name, Value=state.text(), Type="String", Overwrite=True)


def _start(found: dict[str, Any] | None) -> RetrainingStart | None:
    if found is None:
        return None
    known = _known(RetrainingStart, found)
    return RetrainingStart(**{**known, "at": datetime.fromisoformat(known["at"])})


def _known(kind: Any, found: dict[str, Any]) -> dict[str, Any]:
    """Without what a later version of this function may have added."""
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in found.items() if name in names}
