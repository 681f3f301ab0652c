"""CloudWatch: data points and alarms (CloudWatch API Reference, PutMetricData, PutMetricAlarm)."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from local_aws.adapter.operations import Refusal
from local_aws.settings import SCALING_PERIOD_SECONDS

_DATA = 1000
_VALUES = 150
_DIMENSIONS = 30
_PAST_SECONDS, _AHEAD_SECONDS = 14 * 86_400, 2 * 3600
_SHORT_PERIODS = {10, 20, 30}
_HOUR, _DAY, _WEEK = 3600, 86_400, 604_800


def _data(given: Mapping[str, Any]) -> Refusal | None:
    if str(given["Namespace"]).startswith("AWS/"):
        words = "The value AWS/ for parameter Namespace is invalid."
        return Refusal("InvalidParameterValue", words, 400)
    data = given.get("MetricData") or []
    if len(data) > _DATA:
        words = f"The collection MetricData must not have a size greater than {_DATA}."
        return Refusal("ValidationError", words, 400)
    for number, datum in enumerate(data, start=1):
        for member, most in (("Values", _VALUES), ("Dimensions", _DIMENSIONS)):
            if len(datum.get(member) or ()) > most:
                words = (
                    f"The collection MetricData.member.{number}.{member} must not have a size "
                    f"greater than {most}."
                )
                return Refusal("InvalidParameterValue", words, 400)
        age = time.time() - _seconds(datum.get("Timestamp"))
        if not -_AHEAD_SECONDS <= age <= _PAST_SECONDS:
            words = (
                f"The parameter MetricData.member.{number}.Timestamp must specify a time no more "
                "than two weeks in the past and two hours in the future."
            )
            return Refusal("InvalidParameterValue", words, 400)
    return None


def _seconds(moment: Any) -> float:
    if moment is None:
        return time.time()
    if isinstance(moment, str):
        moment = moment.replace("Z", "+00:00")
        return float(moment) if moment.replace(".", "").isdecimal() else _parsed(moment)
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)


def _parsed(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _alarm(given: Mapping[str, Any]) -> Refusal | None:
    periods, period = int(given["EvaluationPeriods"]), given.get("Period")
    words = None
    if "MetricName" in given and ("Statistic" in given) == ("ExtendedStatistic" in given):
        words = "Exactly one of Statistic and ExtendedStatistic must be specified"
    elif "MetricName" in given and not _is_period(period):
        words = "Metric period must be 10, 20, 30 or a multiple of 60"
    elif int(given.get("DatapointsToAlarm", 1)) > periods:
        words = "DatapointsToAlarm must not be greater than EvaluationPeriods"
    elif period is not None and periods * int(period) > (_WEEK if int(period) >= _HOUR else _DAY):
        words = "Metrics cannot be checked across more than a day (EvaluationPeriods * Period)"
    return None if words is None else Refusal("ValidationError", words, 400)


def _is_period(period: Any) -> bool:
    seconds = int(period or 0)
    # Those of target tracking may be quicker here (FRAUDLOOP_SCALING_PERIOD_SECONDS).
    quick = {*_SHORT_PERIODS, SCALING_PERIOD_SECONDS}
    return seconds in quick or (seconds > 0 and seconds % 60 == 0)


RULES = {"PutMetricAlarm": _alarm, "PutMetricData": _data}
