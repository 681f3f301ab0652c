"""The state that an alarm's datapoints put it in."""

import operator
from collections.abc import Sequence
from typing import Literal

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]

COMPARISONS = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


def next_state(
    values: Sequence[float | None],
    *,
    comparison: str,
    threshold: float,
    datapoints_to_alarm: int,
    treat_missing: str,
    current: State,
) -> State:
    """The state after one evaluation.

    Args:
        values: One value for each evaluation period; None where there is no data.
        comparison: CloudWatch's operator between a value and the threshold.
        threshold: What values are compared with.
        datapoints_to_alarm: How many of the periods must breach.
        treat_missing: `missing`, `ignore`, `breaching` or `notBreaching`.
        current: The alarm's present state.

    Raises:
        ValueError: If the comparison is one of anomaly detection's.
    """
    if comparison not in COMPARISONS:
        raise ValueError(
            f"ComparisonOperator must be one of {sorted(COMPARISONS)}, got {comparison}; "
            "the embedded CloudWatch has no anomaly detection"
        )
    breaches = COMPARISONS[comparison]
    known = [breaches(value, threshold) for value in values if value is not None]
    missing = len(values) - len(known)
    breaching = sum(known)
    if treat_missing == "breaching":
        return "ALARM" if breaching + missing >= datapoints_to_alarm else "OK"
    if treat_missing == "notBreaching":
        return "ALARM" if breaching >= datapoints_to_alarm else "OK"
    if treat_missing == "ignore":
        if breaching >= datapoints_to_alarm:
            return "ALARM"
        return current if breaching + missing >= datapoints_to_alarm else "OK"
    if not known:
        return "INSUFFICIENT_DATA"
    # CloudWatch looks further back for what is missing; the points there are stand for them.
    return "ALARM" if breaching >= min(datapoints_to_alarm, len(known)) else "OK"
