"""Does what an event comes to: one start at most, which is written down before it is asked for."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from botocore.exceptions import BotoCoreError, ClientError

from retrain.outcomes import DECLINED, NOTED, STARTED, EventOutcome, log
from retrain.pipeline import RefusedError, TrainingPipeline
from retrain.policy import (
    FOUND,
    LOOK,
    START,
    ExecutionHistory,
    RetrainingDecision,
    decide,
    is_uncured,
    uncured,
)
from retrain.settings import RetrainingSettings
from retrain.state import RequestResult, RetrainingStart, RetrainingState, StateParameter
from retrain.triggers import (
    MANUAL,
    FailedExecution,
    PassedAnalysis,
    QuietAlarm,
    Resumption,
    RetrainingRequest,
    Trigger,
)

__all__ = ["Retrainer"]

# For so long a start whose response was lost is asked for again, by its token; an execution that is
# not among the pipeline's by then does not exist.
PENDING = timedelta(hours=1)


@dataclass(slots=True)
class Retrainer:
    """Works off events, one after the other.

    A start whose response is lost may have happened. Until that is known, nothing else is started:
    the next event finds it among the executions, or asks for the very same start again.

    Args:
        settings: Names of what is deployed, and the rules.
        parameter: Where the state is stored.
        pipeline: What is started.
    """

    settings: RetrainingSettings
    parameter: StateParameter
    pipeline: TrainingPipeline
    _state: RetrainingState | None = None
    _seen: ExecutionHistory | None = None

    @classmethod
    def connected(cls, settings: RetrainingSettings) -> Self:
        """With clients of AWS."""
        return cls(
            settings,
            StateParameter(settings.state_parameter),
            TrainingPipeline(settings.pipeline_name, settings.raw_bucket),
        )

    @property
    def state(self) -> RetrainingState:
        """What was done before."""
        if self._state is None:
            self._state = self.parameter.load()
        return self._state

    def forget(self) -> None:
        """Read state and executions anew: something failed, so that they may be others."""
        self._state = self._seen = None

    def handle(self, said: Trigger) -> EventOutcome:
        """What an event comes to; also written down, if it changes anything.

        Raises:
            RefusedError: SageMaker refused to start an execution.
            ClientError: A service failed.
            BotoCoreError: A service did not answer.
        """
        now = datetime.now(UTC)
        if isinstance(said, QuietAlarm):
            return EventOutcome(outcome=DECLINED, reason=said.reason, rule="calm")
        if isinstance(said, PassedAnalysis):
            return self._pass(said)
        if isinstance(said, FailedExecution):
            return self._fail(said, now)
        if isinstance(said, Resumption):
            outcome = EventOutcome(outcome=NOTED, reason=said.reason, in_vain=0)
            self._keep(_answered(self.state.resuming(now), said.event_id, outcome))
            return outcome
        return self._ask(said, now)

    def _pass(self, passed: PassedAnalysis) -> EventOutcome:
        before, after = self.state, self.state.passing(passed.monitor, passed.until)
        # Most change nothing: a retraining that is yet to come begins after them all.
        if uncured(passed.monitor, before) != uncured(passed.monitor, after):
            self._keep(after)
        cured = self._in_vain(before) and not self._in_vain(after)
        return EventOutcome(
            outcome=NOTED, reason=f"{passed.monitor} found nothing", in_vain=0 if cured else None
        )

    def _fail(self, failed: FailedExecution, now: datetime) -> EventOutcome:
        if self.state.pending is not None:
            self._settle(self.state.pending, now)
        after = self.state.failing(failed.execution_arn)
        is_ours = after != self.state
        if is_ours:
            self._keep(after)
        return EventOutcome(
            outcome=NOTED,
            reason=f"execution {failed.execution_arn} failed",
            execution_arn=failed.execution_arn,
            is_failure=is_ours,
        )

    def _ask(self, ask: RetrainingRequest, now: datetime) -> EventOutcome:
        if self.state.pending is not None:
            self._settle(self.state.pending, now)
        decision = self._decide(ask, now, None)
        if decision.action == LOOK:
            decision = self._decide(ask, now, self._look())
        if decision.action == START:
            return self._start(ask, now)
        if decision.action == FOUND:
            return self._tell(ask)
        in_vain = 1 if decision.rule == "uncured" else None
        return self._decline(ask, decision.rule, decision.why, in_vain)

    def _decline(
        self, ask: RetrainingRequest, rule: str, why: str, in_vain: int | None = None
    ) -> EventOutcome:
        outcome = EventOutcome(outcome=DECLINED, reason=why, rule=rule, in_vain=in_vain)
        if ask.trigger == MANUAL:
            self._keep(_answered(self.state, ask.event_id, outcome))
        return outcome

    def _decide(
        self, ask: RetrainingRequest, now: datetime, seen: ExecutionHistory | None
    ) -> RetrainingDecision:
        return decide(ask, self.state, self.settings.rules, now=now, seen=seen)

    def _settle(self, pending: RetrainingStart, now: datetime) -> None:
        """Find out whether a start has happened, or have it happen."""
        seen = self._look()
        arn = seen.named.get(pending.name)
        if arn is None and seen.running is None and now - pending.at < PENDING:
            arn = self._request(pending)
        if arn is None:
            log("a start whose answer was lost did not happen", name=pending.name)
            self._keep(self.state.given_up())
        else:
            self._keep(self.state.began(arn))

    def _start(self, ask: RetrainingRequest, now: datetime) -> EventOutcome:
        start = self.pipeline.prepare(ask, now)
        self._keep(self.state.asking(start))
        try:
            arn = self._request(start)
        except RefusedError as error:
            if not error.was_started:
                raise
            return self._decline(ask, "duplicate", "an execution was started for it before")
        self._keep(self.state.began(arn))
        return self._tell(ask)

    def _request(self, start: RetrainingStart) -> str:
        self._seen = None
        try:
            return self.pipeline.start(start)
        except RefusedError:
            self._keep(self.state.given_up())
            raise

    def _tell(self, ask: RetrainingRequest) -> EventOutcome:
        """The outcome of the event that the last start is for."""
        last = self.state.last
        if last is None:
            raise ValueError("last must be the start that was made, got none")
        is_manual = ask.trigger == MANUAL
        outcome = EventOutcome(
            outcome=STARTED,
            reason=last.reason,
            execution_arn=last.execution_arn,
            in_vain=0 if is_manual else None,
        )
        state = self.state.told()
        try:
            self._keep(_answered(state, ask.event_id, outcome) if is_manual else state)
        except (ClientError, BotoCoreError) as error:
            # Were it retried, it could be taken for a duplicate, and never be told. At worst, a
            # real duplicate is now told the same.
            log("what was told could not be kept", error=error, event_id=ask.event_id)
            self.forget()
        return outcome

    def _in_vain(self, state: RetrainingState) -> bool:
        return any(is_uncured(monitor, state, self.settings.rules) for monitor in state.series)

    def _look(self) -> ExecutionHistory:
        if self._seen is None:
            self._seen = self.pipeline.look()
        return self._seen

    def _keep(self, state: RetrainingState) -> None:
        self.parameter.save(state)
        self._state = state


def _answered(state: RetrainingState, event_id: str, outcome: EventOutcome) -> RetrainingState:
    return state.answering(
        RequestResult(
            event_id=event_id,
            outcome=outcome.outcome,
            reason=outcome.reason,
            execution_arn=outcome.execution_arn,
        )
    )
