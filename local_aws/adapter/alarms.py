"""CloudWatch's alarms and datapoints as ministack keeps them."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

from ministack.core import responses
from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners

Alarm = dict[str, Any]


def datapoints(
    namespace: str, name: str, dimensions: dict[str, str], since: float
) -> list[dict[str, Any]]:
    """The points of one metric, which is its namespace, name and exact dimensions."""
    key = (namespace, name, cloudwatch._dims_key(dimensions))
    return [point for point in list(cloudwatch._metrics.get(key, ())) if point["Timestamp"] > since]


def statistic(points: list[dict[str, Any]], name: str) -> float | None:
    """A statistic (`Sum`, `p99`, ...) of some points."""
    value = cloudwatch._stat_value(cloudwatch._calc_stats(points), name, points)
    return None if value is None else float(value)


def metric_alarms() -> Iterator[tuple[str, str, Alarm]]:
    """All metric alarms with their account and region."""
    for (account, region, _name), alarm in list(cloudwatch._alarms._data.items()):
        yield account, region, alarm


def state_of(name: str) -> str | None:
    """An alarm's state in the current account and region; None if there is none of this name."""
    alarm = cloudwatch._alarms.get(name)
    return None if alarm is None else str(alarm["StateValue"])


def change_state(alarm: Alarm, state: str, reason: str, now: float) -> None:
    """Record an alarm's transition, notify, and re-evaluate the composites above it."""
    old = alarm["StateValue"]
    alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=int(now))
    cloudwatch._record_history(alarm["AlarmName"], old, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm, old, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def replace_evaluation(evaluate: Callable[[Alarm], None]) -> None:
    """Evaluate metric alarms with a function of ours: after each write, and new ones at once.

    "When you update an existing alarm, its state is left unchanged" (PutMetricAlarm): what has
    changed is looked at by the next evaluation only.
    """
    changing = threading.local()

    def evaluate_unless_changing(alarm: Alarm) -> None:
        if alarm["AlarmName"] != getattr(changing, "name", None):
            evaluate(alarm)

    def leaving_states(put: Callable[..., Any], name_of: Callable[..., str]) -> Callable[..., Any]:
        def put_alarm(*arguments: Any) -> Any:
            name = name_of(*arguments)
            changing.name = name if name in cloudwatch._alarms else None
            try:
                return put(*arguments)
            finally:
                changing.name = None

        return put_alarm

    cloudwatch._evaluate_alarm = evaluate_unless_changing
    cloudwatch._put_metric_alarm = leaving_states(
        cloudwatch._put_metric_alarm,
        lambda params, data, *_: str(data.get("AlarmName") or cloudwatch._p(params, "AlarmName")),
    )
    cloudwatch.cloudformation_put_metric_alarm = leaving_states(
        cloudwatch.cloudformation_put_metric_alarm, lambda alarm: str(alarm["AlarmName"])
    )


def actions(alarm: Alarm, state: str) -> list[str]:
    """The ARNs of what an alarm has done when it comes into a state."""
    kind = {"ALARM": "AlarmActions", "OK": "OKActions"}.get(state, "InsufficientDataActions")
    return list(alarm.get(kind) or ()) if alarm.get("ActionsEnabled", True) else []


def after_transition(
    notify: Callable[[Alarm, str, str, str], None], may: Callable[[Alarm, str], bool]
) -> None:
    """Tell of the transitions of all alarms, composites too, and ask before their actions.

    Args:
        notify: Called with (alarm, old state, new state, reason).
        may: Whether an alarm may publish to a topic.
    """
    inner = cloudwatch._dispatch_alarm_actions

    def dispatch(alarm: Alarm, old_state: str, new_state: str, reason: str) -> None:
        topics = [each for each in actions(alarm, new_state) if ":sns:" in each]
        allowed = [topic for topic in topics if may(alarm, topic)]
        kinds = ("AlarmActions", "OKActions", "InsufficientDataActions")
        inner({**alarm, **dict.fromkeys(kinds, allowed)}, old_state, new_state, reason)
        notify(alarm, old_state, new_state, reason)

    cloudwatch._dispatch_alarm_actions = dispatch


def accept_metric_math() -> None:
    """Keep an alarm's `Metrics` (ministack drops them, and CloudFormation refuses them)."""
    put, record = cloudwatch._put_metric_alarm, provisioners._cw_metric_alarm_record

    def put_metric_alarm(
        params: dict[str, Any], cbor_data: dict[str, Any], is_cbor: bool, is_json: bool = False
    ) -> Any:
        answer = put(params, cbor_data, is_cbor, is_json)
        alarm = cloudwatch._alarms.get(cbor_data.get("AlarmName"))
        if alarm is not None and cbor_data.get("Metrics"):
            alarm.update(Metrics=cbor_data["Metrics"], MetricName=None, Namespace=None)
        return answer

    def cloudformation_record(name: str, props: dict[str, Any]) -> Alarm:
        metrics = props.get("Metrics")
        if not metrics:
            return dict(record(name, props))
        plain = {key: value for key, value in props.items() if key != "Metrics"}
        alarm = dict(record(name, plain | {"MetricName": "-", "Namespace": "-"}))
        alarm.update(Metrics=metrics, MetricName=None, Namespace=None, Statistic=None, Period=None)
        return alarm

    cloudwatch._put_metric_alarm = put_metric_alarm
    provisioners._cw_metric_alarm_record = cloudformation_record


def account_and_region() -> tuple[str, str]:
    """Whom an alarm's notification is for."""
    return str(responses.get_account_id()), str(responses.get_region())
