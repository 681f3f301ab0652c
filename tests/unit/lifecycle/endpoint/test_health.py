"""Alarms of an endpoint on what its server publishes."""

import pytest
from aws_cdk.assertions import Template

from lifecycle.endpoint.config import EndpointConfig
from lifecycle.endpoint.health import HealthConfig, ScoreLimits
from local_aws.alarms.metric_math import Series, evaluate
from pipeline_code.serve.metrics import COUNTS, LISTS
from pipeline_code.serve.settings import ServerSettings

from .conftest import APPROVED, Synthesize, alarms, evaluated, properties

VARIANT = [
    {"Name": "EndpointName", "Value": "fraudloop-test-fraud"},
    {"Name": "VariantName", "Value": "primary"},
]


VERSION = [
    {"Name": "EndpointName", "Value": "fraudloop-test-fraud"},
    {"Name": "ModelVersion", "Value": APPROVED},
]


ENDPOINT = [{"Name": "EndpointName", "Value": "fraudloop-test-fraud"}]


@pytest.mark.parametrize(
    ("name", "metric", "dimensions", "threshold"),
    [
        ("Errors", "AWS/SageMaker Invocation5XXErrors Sum", VARIANT, 2),
        ("Latency", "AWS/SageMaker ModelLatency p99", VARIANT, 75_000),
        ("FailedAnswers", "fraudloop/test FailedAnswers Sum", VERSION, 2),
    ],
)
def test_errors_and_slowness_are_alarms_and_silence_is_not(
    template: Template, name: str, metric: str, dimensions: object, threshold: int
) -> None:
    alarm = alarms(template)[name]
    statistic = alarm.get("Statistic") or alarm.get("ExtendedStatistic")
    assert f"{alarm['Namespace']} {alarm['MetricName']} {statistic}" == metric
    assert alarm["Dimensions"] == dimensions
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", threshold)
    assert alarm["TreatMissingData"] == "notBreaching"
    assert (alarm["Period"], alarm["EvaluationPeriods"]) == (60, 1)


@pytest.mark.parametrize(
    ("name", "dimensions", "comparison", "threshold", "cases"),
    [
        # Answers in the minute, the other metric, and what the alarm compares.
        ("Flagged", VERSION, "GreaterThan", 12, [(33, 3.3, 10), (32, 32, 0), (50, None, 0)]),
        ("Degraded", ENDPOINT, "GreaterThan", 7, [(40, 40, 100), (32, 32, 0)]),
        ("HighScores", VERSION, "GreaterThan", 0.4, [(33, 0.7, 0.7), (32, 0.7, 0)]),
        ("LowScores", VERSION, "LessThan", 0.01, [(33, 0.001, 0.001), (32, 0.001, 1)]),
    ],
)
def test_what_a_version_answers_is_judged_once_there_is_enough_of_it(
    template: Template,
    name: str,
    dimensions: object,
    comparison: str,
    threshold: float,
    cases: list[tuple[float, float | None, float]],
) -> None:
    alarm = alarms(template)[name]
    assert alarm["ComparisonOperator"] == f"{comparison}Threshold"
    assert alarm["Threshold"] == threshold
    assert alarm["TreatMissingData"] == "notBreaching"
    (expression,) = [each["Expression"] for each in alarm["Metrics"] if "Expression" in each]
    metrics = {each["Id"]: each["MetricStat"] for each in alarm["Metrics"] if "MetricStat" in each}
    assert all(each["Metric"]["Namespace"] == "fraudloop/test" for each in metrics.values())
    assert all(each["Metric"]["Dimensions"] == dimensions for each in metrics.values())
    assert all(each["Period"] == 60 for each in metrics.values())
    assert metrics.pop("answers")["Metric"]["MetricName"] == "Answers"
    ((other, _),) = metrics.items()
    for answers, value, expected in cases:
        series: dict[str, Series] = {"answers": [answers], other: [value]}
        assert evaluate(expression, series) == [pytest.approx(expected)]
    assert evaluate(expression, {"answers": [None], other: [None]}) == [None]


def test_answers_that_nobody_counted_are_told(template: Template) -> None:
    """Without the server's log there is none of its metrics, and the alarms on them sleep."""
    alarm = alarms(template)["Unmeasured"]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)
    assert (alarm["EvaluationPeriods"], alarm["TreatMissingData"]) == (3, "notBreaching")
    (expression,) = [each["Expression"] for each in alarm["Metrics"] if "Expression" in each]
    metrics = {each["Id"]: each["MetricStat"] for each in alarm["Metrics"] if "MetricStat" in each}
    assert {each["Period"] for each in metrics.values()} == {300}
    assert metrics["answers"]["Metric"]["Namespace"] == "fraudloop/test"
    for invocations, refused, failed, answers, expected in (
        (9, None, None, 12, 0),
        (9, None, None, None, 9),
        (9, 5, 4, None, 0),
        (9, 5, 3, None, 1),
        (None, None, None, None, None),
    ):
        series: dict[str, Series] = {
            "invocations": [invocations],
            "refused": [refused],
            "failed": [failed],
            "answers": [answers],
        }
        assert evaluate(expression, series) == [expected]


def test_throttled_reads_of_any_version_are_told(template: Template) -> None:
    alarm = alarms(template)["Throttled"]
    assert (alarm["MetricName"], alarm["Statistic"]) == ("StoreThrottles", "Sum")
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)
    assert (alarm["Period"], alarm["TreatMissingData"]) == (300, "notBreaching")
    assert [each["Name"] for each in alarm["Dimensions"]] == ["EndpointName"]


def test_alarms_are_on_what_the_server_publishes(template: Template) -> None:
    asked = {
        stat["Metric"]["MetricName"]
        for alarm in alarms(template).values()
        for stat in (each.get("MetricStat") for each in alarm.get("Metrics", ()))
        if stat is not None and stat["Metric"]["Namespace"] == "fraudloop/test"
    } | {alarms(template)[name]["MetricName"] for name in ("FailedAnswers", "Throttled")}
    assert asked <= {*LISTS, *COUNTS}


def test_the_server_reads_what_it_is_told(template: Template) -> None:
    told = properties(template, "AWS::SageMaker::Model")["PrimaryContainer"]["Environment"]
    spelled = f"arn:fraud/2|image|s3://a/b|0.25|none|{'0d' * 32}"
    values = {"Package": spelled, "AWS::Region": "eu-west-1"}
    told = {name: str(evaluated(value, values)) for name, value in told.items()}
    read = ServerSettings.from_environment({**told, "TERMINAL_FEATURE_GROUP": "terminals"})
    assert (read.thresholds.review, read.model_digest) == (0.25, "0d" * 32)
    assert read.workers == 3
    assert (read.states.budget_seconds, read.states.cache_seconds) == (0.044, 0.5)
    assert read.metrics is not None
    assert read.metrics.namespace == "fraudloop/test"
    assert read.metrics.endpoint_name == "fraudloop-test-fraud"
    assert read.metrics.model_version == told["MODEL_PACKAGE_ARN"] == "arn:fraud/2"


def test_limits_that_are_switched_off_are_no_alarms(synthesize: Synthesize) -> None:
    health = HealthConfig(
        max_degraded_percent=None,
        scores=ScoreLimits(max_flagged_percent=None, min_mean=None, max_mean=None),
    )
    assert set(alarms(synthesize(EndpointConfig(health=health)))) == {
        "Errors",
        "Latency",
        "FailedAnswers",
        "Throttled",
        "Unmeasured",
    }
