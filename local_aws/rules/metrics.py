"""CloudWatch: data points and alarms (CloudWatch API Reference, PutMetricData, PutMetricAlarm)."""

import itertools
import json
import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from local_aws.adapter.operations import Refusal
from local_aws.guesses import Guess, guessed
from local_aws.settings import SCALING_PERIOD_SECONDS

_DATA = 1000
_VALUES = 150
_DIMENSIONS = 30
_POINTS = 1440
# "CloudWatch statistics definitions" (CloudWatch User Guide).
_EXTENDED = re.compile(r"IQM|(p|tm|wm|tc|ts)\d+(\.\d+)?|(TM|WM|TC|TS|PR)\([\d.]*%?:[\d.]*%?\)")
_ACTIONS = ("AlarmActions", "OKActions", "InsufficientDataActions")
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
        return Refusal("InvalidParameterValue", words, 400)
    for number, datum in enumerate(data, start=1):
        for member, most in (("Values", _VALUES), ("Dimensions", _DIMENSIONS)):
            if len(datum.get(member) or ()) > most:
                words = (
                    f"The collection MetricData.member.{number}.{member} must not have a size "
                    f"greater than {most}."
                )
                return Refusal("InvalidParameterValue", words, 400)
        if (refused := _values(datum, f"MetricData.member.{number}")) is not None:
            return refused
        age = time.time() - _seconds(datum.get("Timestamp"))
        if not -_AHEAD_SECONDS <= age <= _PAST_SECONDS:
            words = (
                f"The parameter MetricData.member.{number}.Timestamp must specify a time no more "
                "than two weeks in the past and two hours in the future."
            )
            return Refusal("InvalidParameterValue", guessed(words, Guess.WORDS), 400)
    return None


def _values(datum: Mapping[str, Any], name: str) -> Refusal | None:
    """A datum has one kind of value; the words are those that moto has."""
    given = [each for each in ("Value", "Values", "StatisticValues") if datum.get(each) is not None]
    if not given:
        words = f"At least one of the parameters {name}.Value and {name}.Values must be specified."
        return Refusal("MissingParameter", guessed(words, Guess.UNSEEN), 400)
    if len(given) > 1:
        words = f"The parameters {name}.{given[0]} and {name}.{given[1]} are mutually exclusive"
        return Refusal("InvalidParameterCombination", f"{words} and you have specified both.", 400)
    counts = datum.get("Counts")
    if counts is not None and len(counts) != len(datum.get("Values") or ()):
        words = f"The parameters {name}.Values and {name}.Counts must be of the same size."
        return Refusal("InvalidParameterValue", words, 400)
    return None


def _statistics(given: Mapping[str, Any]) -> Refusal | None:
    """GetMetricStatistics (API Reference); 1,440 data points at most."""
    if not (given.get("Statistics") or given.get("ExtendedStatistics")):
        words = guessed(
            "At least one of Statistics and ExtendedStatistics must be specified.", Guess.UNSEEN
        )
        return Refusal("MissingParameter", words, 400)
    if not _is_period(period := int(given["Period"])) and period not in (1, 5):
        words = guessed(
            "The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.", Guess.UNSEEN
        )
        return Refusal("InvalidParameterValue", words, 400)
    # Of whole seconds (recorded: moto, tests/test_cloudwatch/test_cloudwatch.py).
    seconds = int(_seconds(given["EndTime"])) - int(_seconds(given["StartTime"]))
    if seconds <= 0:
        words = "The parameter StartTime must be less than the parameter EndTime."
        return Refusal("InvalidParameterCombination", words, 400)
    if seconds / period > _POINTS:
        words = (
            f"You have requested up to {int(seconds // period)} datapoints, which exceeds the "
            f"limit of {_POINTS}. You may reduce the datapoints requested by increasing Period, "
            "or decreasing the time range."
        )
        return Refusal("InvalidParameterCombination", words, 400)
    return None


def _dashboard(given: Mapping[str, Any]) -> Refusal | None:
    try:
        body = json.loads(given["DashboardBody"])
    except ValueError:
        body = None
    if isinstance(body, dict):
        return None
    words = guessed("The field DashboardBody must be a valid JSON object.", Guess.WORDS)
    return Refusal("InvalidParameterInput", words, 400)


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
        words = guessed("Exactly one of Statistic and ExtendedStatistic must be set", Guess.WORDS)
    elif "MetricName" in given and not _is_period(period):
        words = guessed("Metric period must be 10, 20, 30 or a multiple of 60", Guess.WORDS)
    elif int(given.get("DatapointsToAlarm", 1)) > periods:
        words = guessed("DatapointsToAlarm must be at most EvaluationPeriods", Guess.WORDS)
    elif period is not None:
        words = _checked_too_long(periods, int(period))
    extended = given.get("ExtendedStatistic")
    if extended is not None and _EXTENDED.fullmatch(str(extended)) is None:
        words = f"The value {extended} for parameter ExtendedStatistic is not supported."
    for action in itertools.chain(*(given.get(name) or () for name in _ACTIONS)):
        if not str(action).startswith("arn:"):
            words = f"Invalid arn syntax: {action}"
    missing = given.get("TreatMissingData", "missing")
    if missing not in ("breaching", "notBreaching", "ignore", "missing"):
        words = f"TreatMissingData must be breaching, notBreaching, ignore or missing: {missing}"
    return None if words is None else Refusal("ValidationError", words, 400)


def _checked_too_long(periods: int, seconds: int) -> str | None:
    """In the words of public failures of PutMetricAlarm."""
    long = seconds >= _HOUR
    most, span, which = (_WEEK, "week", ">= 3600") if long else (_DAY, "day", "< 3600")
    if periods * seconds <= most:
        return None
    return (
        f"Metrics cannot be checked across more than a {span} (EvaluationPeriods * Period must be "
        f"<= {most}) for alarms using period {which}"
    )


def _is_period(period: Any) -> bool:
    seconds = int(period or 0)
    # Those of target tracking may be quicker here (FRAUDLOOP_SCALING_PERIOD_SECONDS).
    quick = {*_SHORT_PERIODS, SCALING_PERIOD_SECONDS}
    return seconds in quick or (seconds > 0 and seconds % 60 == 0)


RULES = {
    "GetMetricStatistics": _statistics,
    "PutDashboard": _dashboard,
    "PutMetricAlarm": _alarm,
    "PutMetricData": _data,
}
