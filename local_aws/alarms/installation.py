"""Evaluates ministack's alarms and tells others of their transitions."""

import json
import logging
import time
from datetime import UTC, datetime
from typing import Any

from local_aws import adapter
from local_aws.adapter import alarms as store
from local_aws.adapter import messages, notifications
from local_aws.alarms.evaluation import next_state
from local_aws.alarms.metric_math import Series, evaluate

logger = logging.getLogger("fraudloop.alarms")

EVALUATION_SECONDS = 1.0


def install() -> None:
    """Evaluate alarms on every write and every second, with our rules."""
    store.accept_metric_math()
    store.replace_evaluation(evaluate_alarm)
    store.after_transition(announce, may_act)
    adapter.every(EVALUATION_SECONDS, evaluate_all)


def evaluate_all() -> None:
    """Evaluate every alarm; time alone changes a state, as data grows old."""
    for account, region, alarm in store.metric_alarms():
        with adapter.request_scope(account, region):
            try:
                evaluate_alarm(alarm)
            except Exception:
                logger.exception("alarm %s cannot be evaluated", alarm["AlarmName"])


def evaluate_alarm(alarm: store.Alarm) -> None:
    """Move one alarm to the state of its datapoints."""
    now = time.time()
    periods = int(alarm["EvaluationPeriods"])
    needed = alarm.get("DatapointsToAlarm")
    values = _values(alarm, periods, now)
    state = next_state(
        values,
        comparison=alarm["ComparisonOperator"],
        threshold=float(alarm["Threshold"]),
        datapoints_to_alarm=periods if needed is None else int(needed),
        treat_missing=alarm.get("TreatMissingData", "missing"),
        current=alarm["StateValue"],
    )
    if state != alarm["StateValue"]:
        store.change_state(alarm, state, _reason(alarm, values, state), now)


def _values(alarm: store.Alarm, periods: int, now: float) -> Series:
    """The alarm's metric in each of the last periods, oldest first."""
    queries = alarm.get("Metrics")
    if not queries:
        statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
        return _series(alarm, int(alarm["Period"]), statistic, periods, now)
    series: dict[str, Series] = {}
    answer: Series = []
    for query in sorted(queries, key=lambda query: "Expression" in query):
        if "Expression" in query:
            series[query["Id"]] = evaluate(query["Expression"], series)
        else:
            stat = query["MetricStat"]
            series[query["Id"]] = _series(
                stat["Metric"], int(stat["Period"]), stat["Stat"], periods, now
            )
        if query.get("ReturnData", True) in (True, "true"):
            answer = series[query["Id"]]
    return answer


def _series(
    metric: dict[str, Any], period: int, statistic: str, periods: int, now: float
) -> Series:
    dimensions = {d["Name"]: d["Value"] for d in metric.get("Dimensions") or ()}
    points = store.datapoints(
        metric["Namespace"], metric["MetricName"], dimensions, now - period * periods
    )
    by_age: dict[int, list[dict[str, Any]]] = {}
    for point in points:
        # A clock a little ahead of ours is in the newest period.
        by_age.setdefault(max(0, int((now - point["Timestamp"]) // period)), []).append(point)
    return [
        store.statistic(by_age[age], statistic) if age in by_age else None
        for age in reversed(range(periods))
    ]


def _reason(alarm: store.Alarm, values: Series, state: str) -> str:
    known = [value for value in values if value is not None]
    if state == "INSUFFICIENT_DATA":
        return f"Insufficient Data: {len(values) - len(known)} datapoints were unknown."
    return (
        f"Threshold Crossed: {len(known)} datapoints {known} of {len(values)} periods compared "
        f"by {alarm['ComparisonOperator']} with the threshold ({alarm['Threshold']}); "
        f"missing data is {alarm.get('TreatMissingData', 'missing')}."
    )


def announce(alarm: store.Alarm, old: str, new: str, reason: str) -> None:
    """Put a transition on the event bus and invoke the alarm's Lambda functions."""
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
    detail = {
        "alarmName": alarm["AlarmName"],
        "state": {"value": new, "reason": reason, "timestamp": stamp},
        "previousState": {"value": old},
        "configuration": {
            "description": alarm.get("AlarmDescription", ""),
            "metrics": _configured_metrics(alarm),
        },
    }
    arn = alarm.get("AlarmArn", "")
    adapter.emit_event("CloudWatch Alarm State Change", detail, [arn], source="aws.cloudwatch")
    account, region = store.account_and_region()
    for action in store.actions(alarm, new):
        if action.split(":")[2] != "lambda" or not may_act(alarm, action):
            continue
        event = {
            "source": "aws.cloudwatch",
            "alarmArn": arn,
            "accountId": account,
            "region": region,
            "time": stamp,
            "alarmData": detail,
        }
        if not messages.invoke_function(action, json.loads(json.dumps(event))):
            logger.error("alarm %s: function %s does not exist", alarm["AlarmName"], action)


def may_act(alarm: store.Alarm, action: str) -> bool:
    """Whether CloudWatch may do an alarm's action; the alarm's history has the answer."""
    refused = notifications.alarm_refused(alarm, action)
    notifications.record_alarm_action(alarm, action, refused)
    return refused is None


def _configured_metrics(alarm: store.Alarm) -> list[dict[str, Any]]:
    if not alarm.get("MetricName"):
        return [
            {"id": query["Id"], "expression": query.get("Expression", "")}
            for query in alarm.get("Metrics") or ()
        ]
    metric = {
        "namespace": alarm["Namespace"],
        "name": alarm["MetricName"],
        "dimensions": {d["Name"]: d["Value"] for d in alarm.get("Dimensions") or ()},
    }
    stat = {"metric": metric, "period": alarm.get("Period"), "stat": alarm.get("Statistic")}
    return [{"id": "m1", "metricStat": stat, "returnData": True}]
