"""Every feature as its declaration reads, one event at a time: slow, and obviously right."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from pipeline_code.features.declarations import (
    CUSTOMER,
    Aggregation,
    Derivation,
    Feature,
    Formula,
    Operation,
    RequestValue,
    Source,
)
from pipeline_code.features.definitions import FEATURES
from pipeline_code.features.plan import microseconds
from tests.pipeline_code.features.small_streams import HOUR, Row, moment

SECOND = 1_000_000


def plainly(rows: Sequence[Row], asked: Row) -> list[float]:
    """The feature vector of one transaction among others, in the order of FEATURES."""
    return [feature_value(feature, rows, asked) for feature in FEATURES]


def feature_value(feature: Feature, rows: Sequence[Row], asked: Row) -> float:
    exact = _value(feature.formula, rows, asked)
    quotient = float(exact.numerator) / float(exact.denominator)
    return float(np.float32(quotient))


def _value(formula: Formula, rows: Sequence[Row], asked: Row) -> Fraction:
    if isinstance(formula, Derivation):
        divisor = _value(formula.divisor, rows, asked)
        return _value(formula.dividend, rows, asked) / divisor if divisor else Fraction(0)
    if isinstance(formula, Aggregation):
        return Fraction(_total(formula, rows, asked))
    when = moment(asked.time)
    said = {
        RequestValue.AMOUNT: asked.amount,
        RequestValue.WEEKEND: when.isoweekday() in (6, 7),
        RequestValue.NIGHT: when.hour <= 6,
    }
    return Fraction(int(said[formula]))


def _total(total: Aggregation, rows: Sequence[Row], asked: Row) -> int:
    """(known time, amount) of each event of the asked entity, then what is made of those in the
    window."""
    mine = [row for row in rows if _owner(total, row) == _owner(total, asked)]
    if total.source is Source.REPORTS:
        events = [(row.time + min(row.report_delays), 0) for row in mine if row.report_delays]
    else:
        delay = microseconds(total.age - total.window.shift)
        events = [(row.time + delay, row.amount) for row in mine]
    hop, length = microseconds(total.window.hop), microseconds(total.window.length)
    shift = microseconds(total.window.shift)
    start = (asked.time - shift - length) // hop * hop
    end = asked.time + 1
    if total.age:
        end = asked.time // HOUR * HOUR - shift
    inside = [event for event in events if start <= event[0] < end]
    earlier = [known for known, _ in events if known < asked.time]
    match total.operation:
        case Operation.COUNT:
            return len(inside)
        case Operation.SUM:
            return sum(amount for _, amount in inside)
        case Operation.MAX:
            return max((amount for _, amount in inside), default=0)
        case Operation.SINCE_LAST:
            return min(asked.time - max(earlier, default=-(2**62)), length) // SECOND
        case Operation.AGE:
            first = min((known for known, _ in inside), default=asked.time)
            return min(asked.time // hop * hop - first // hop * hop, length) // SECOND


def _owner(total: Aggregation, row: Row) -> int:
    return row.customer if total.entity == CUSTOMER else row.terminal
