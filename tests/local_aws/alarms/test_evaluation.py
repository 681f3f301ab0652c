import pytest

from local_aws.alarms.evaluation import State, next_state
from local_aws.alarms.metric_math import Series, UnsupportedExpressionError, evaluate


# X breaches, 0 does not, - is missing; the columns are CloudWatch's own table for 3 of 3.
@pytest.mark.parametrize(
    ("values", "breaching", "not_breaching", "ignore", "missing"),
    [
        ("XXX", "ALARM", "ALARM", "ALARM", "ALARM"),
        ("0XX", "OK", "OK", "OK", "OK"),
        ("---", "ALARM", "OK", "ALARM", "INSUFFICIENT_DATA"),
        ("--X", "ALARM", "OK", "ALARM", "ALARM"),
        ("--0", "OK", "OK", "OK", "OK"),
        ("X-X", "ALARM", "OK", "ALARM", "ALARM"),
    ],
)
def test_missing_data_counts_as_the_alarm_says(
    values: str, breaching: State, not_breaching: State, ignore: State, missing: State
) -> None:
    known: Series = [{"X": 2.0, "0": 0.0, "-": None}[value] for value in values]
    expected = {
        "breaching": breaching,
        "notBreaching": not_breaching,
        "ignore": ignore,
        "missing": missing,
    }
    for treatment, state in expected.items():
        found = next_state(
            known,
            comparison="GreaterThanThreshold",
            threshold=1.0,
            datapoints_to_alarm=3,
            treat_missing=treatment,
            current="ALARM",
        )
        assert found == state, treatment


def test_only_as_many_datapoints_as_asked_must_breach() -> None:
    def state(needed: int) -> State:
        return next_state(
            [5.0, 0.0, 5.0],
            comparison="GreaterThanOrEqualToThreshold",
            threshold=5.0,
            datapoints_to_alarm=needed,
            treat_missing="missing",
            current="OK",
        )

    assert [state(2), state(3)] == ["ALARM", "OK"]


def test_anomaly_detection_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="anomaly detection"):
        next_state(
            [1.0],
            comparison="GreaterThanUpperThreshold",
            threshold=0.0,
            datapoints_to_alarm=1,
            treat_missing="missing",
            current="OK",
        )


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("100 * errors / calls", [50.0, None, None]),
        ("100 * errors / FILL(calls, 10)", [50.0, None, 30.0]),
        ("IF(errors > 1, calls, 0)", [0.0, 0.0, None]),
        ("SUM([errors, calls])", [3.0, 0.0, 3.0]),
        ("MAX(errors)", [3.0, 3.0, 3.0]),
        ("-ABS(errors - 2)", [-1.0, -2.0, -1.0]),
        ("1 + 2 * errors^2", [3.0, 1.0, 19.0]),
        ("FILL(calls, REPEAT)", [2.0, 0.0, 0.0]),
    ],
)
def test_metric_math(expression: str, expected: Series) -> None:
    series: dict[str, Series] = {"errors": [1.0, 0.0, 3.0], "calls": [2.0, 0.0, None]}
    assert evaluate(expression, series) == expected


@pytest.mark.parametrize(
    "expression",
    ["ANOMALY_DETECTION_BAND(errors)", "__import__('os')", "errors[0]", "errors ** 2", "1 +"],
)
def test_other_expressions_are_refused(expression: str) -> None:
    with pytest.raises(UnsupportedExpressionError):
        evaluate(expression, {"errors": [1.0]})
