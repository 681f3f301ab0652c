"""The triggers of retraining, read from events.

    read(event)  # RetrainingRequest(trigger="drift", monitor="data-quality", ...)

Events, all in EventBridge's envelope:
    `Monitoring Violations Found` and `Monitoring Passed` of source `fraudloop.monitor`;
    `CloudWatch Alarm State Change` of the alarm for model quality;
    `SageMaker Model Building Pipeline Execution Status Change` of an execution that failed;
    `Scheduled Event` of a rule of this function;
    `Retraining Requested` and `Retraining Resumed` of source `fraudloop.operations`: an operator's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline_code.contracts import decisions
from pipeline_code.contracts.events import (
    MONITOR_SOURCE,
    OPERATIONS_SOURCE,
    PASSED,
    RETRAINING_REQUESTED,
    RETRAINING_RESUMED,
    VIOLATIONS,
)
from pipeline_code.contracts.monitoring import MonitorKind

__all__ = [
    "ALARM",
    "DRIFT",
    "MANUAL",
    "SCHEDULE",
    "FailedExecution",
    "PassedAnalysis",
    "QuietAlarm",
    "Resumption",
    "RetrainingRequest",
    "Trigger",
    "fitting",
    "read",
]

DRIFT, ALARM, SCHEDULE, MANUAL = "drift", "alarm", "schedule", "manual"
# Reason and evidence end in a model package's metadata, which takes 256 characters. Bytes, since
# they are also in a parameter that holds 4096.
TEXT_BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingRequest:
    """Somebody or something wants the model retrained.

    Attributes:
        event_id: Of the event; a repeated one has the same.
        until: Up to when what it is about was seen: the end of the monitor's interval. What
            tells of no interval is about the moment of the event.
        trigger: `drift`, `alarm`, `schedule` or `manual`.
        monitor: The kind of monitoring that found it; empty if none did.
        reason: Why, in words.
        evidence: Where that can be checked: URI of the violations, ARN of the alarm, of the rule,
            or of whoever asks.
    """

    event_id: str
    until: datetime
    trigger: str
    monitor: str
    reason: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedAnalysis:
    """A monitor had enough data and found nothing, up to a moment."""

    event_id: str
    until: datetime
    monitor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """An operator says that drift may retrain again."""

    event_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietAlarm:
    """An alarm that did not go off."""

    event_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedExecution:
    """An execution of the pipeline failed, or the gate refused its model."""

    event_id: str
    execution_arn: str


Trigger = RetrainingRequest | PassedAnalysis | Resumption | QuietAlarm | FailedExecution


def read(event: Mapping[str, Any]) -> Trigger:
    """What an event says.

    Raises:
        KeyError: A part of it is missing.
        ValueError: It is not one of the events of the contract.
    """
    source, kind = event["source"], event["detail-type"]
    if source in ("aws.events", "aws.scheduler"):
        return _ask(event, SCHEDULE, reason="schedule", evidence=_resource(event))
    if source == "aws.cloudwatch":
        return _alarm(event)
    reader = _READERS.get((source, kind))
    if reader is None:
        raise ValueError(
            "event must be a monitor's, an alarm's, a schedule's, a person's or of a failed "
            f"execution, got {kind} of {source}"
        )
    return reader(event)


def fitting(text: str) -> str:
    """A text as SageMaker takes it in metadata; what it does not take becomes a space."""
    taken = " ".join(decisions.fitting(text, " ").split()).encode()
    return taken[:TEXT_BYTES].decode(errors="ignore").rstrip()


def _ask(
    event: Mapping[str, Any], trigger: str, *, reason: str, evidence: str, monitor: str = ""
) -> RetrainingRequest:
    return RetrainingRequest(
        event_id=event["id"],
        until=_until(event),
        trigger=trigger,
        monitor=monitor,
        reason=fitting(reason),
        evidence=fitting(evidence) or "none",
    )


def _requested(event: Mapping[str, Any]) -> RetrainingRequest:
    by, reason = event["detail"]["by"], event["detail"]["reason"]
    return _ask(event, MANUAL, reason=f"manual: {reason}", evidence=by)


def _resumed(event: Mapping[str, Any]) -> Resumption:
    return Resumption(event_id=event["id"], reason=fitting(event["detail"]["reason"]))


def _passed(event: Mapping[str, Any]) -> PassedAnalysis:
    return PassedAnalysis(
        event_id=event["id"], until=_until(event), monitor=_monitor(event["detail"])
    )


def _failed(event: Mapping[str, Any]) -> FailedExecution:
    detail = event["detail"]
    status = detail["currentPipelineExecutionStatus"]
    if status != "Failed":
        raise ValueError(
            f"execution must have failed, got {status} of {detail['pipelineExecutionArn']}"
        )
    return FailedExecution(event_id=event["id"], execution_arn=detail["pipelineExecutionArn"])


def _drift(event: Mapping[str, Any]) -> RetrainingRequest:
    detail = event["detail"]
    monitor, version = _monitor(detail), str(detail.get("model_version") or "").rpartition("/")[2]
    seen = f"{monitor} of version {version}" if version else monitor
    subjects = " ".join(detail.get("features", []))
    return _ask(
        event,
        DRIFT,
        reason=f"drift: {seen}: {detail['violations']} violations in {subjects}",
        evidence=str(detail.get("violations_uri", "")),
        monitor=monitor,
    )


def _alarm(event: Mapping[str, Any]) -> RetrainingRequest | QuietAlarm:
    name, state = event["detail"]["alarmName"], event["detail"]["state"]["value"]
    if state != "ALARM":
        return QuietAlarm(event_id=event["id"], reason=fitting(f"alarm {name} went to {state}"))
    return _ask(
        event,
        ALARM,
        reason=f"alarm: {name}",
        evidence=_resource(event),
        monitor=MonitorKind.MODEL_QUALITY.value,
    )


def _monitor(detail: Mapping[str, Any]) -> str:
    return str(detail.get("monitor_kind") or MonitorKind.DATA_QUALITY.value)


def _resource(event: Mapping[str, Any]) -> str:
    """The ARN of what sent the event."""
    return str(next(iter(event.get("resources", [])), ""))


def _until(event: Mapping[str, Any]) -> datetime:
    """The end of the interval that the event is about; else when the event was sent."""
    told = event.get("detail", {}).get("end_time") or event["time"]
    moment = datetime.fromisoformat(told)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_READERS: Mapping[tuple[str, str], Callable[[Mapping[str, Any]], Trigger]] = {
    (MONITOR_SOURCE, VIOLATIONS): _drift,
    (MONITOR_SOURCE, PASSED): _passed,
    (OPERATIONS_SOURCE, RETRAINING_REQUESTED): _requested,
    (OPERATIONS_SOURCE, RETRAINING_RESUMED): _resumed,
    ("aws.sagemaker", "SageMaker Model Building Pipeline Execution Status Change"): _failed,
}
