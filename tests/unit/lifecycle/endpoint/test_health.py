"""Alarms of an endpoint on what its server publishes."""

import pytest
from aws_cdk.assertions import Template
from hypothesis import example, given
from hypothesis import strategies as st

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


def judged(template: Template, name: str, **values: float | None) -> bool:
    """Whether the newest datapoint of an alarm breaches, of these metrics."""
    alarm = alarms(template)[name]
    assert alarm["TreatMissingData"] == "notBreaching"
    (expression,) = [each["Expression"] for each in alarm["Metrics"] if "Expression" in each]
    metrics = {each["Id"] for each in alarm["Metrics"] if "MetricStat" in each}
    assert metrics == set(values)
    (value,) = evaluate(expression, {name: [each] for name, each in values.items()})
    return value is not None and value > alarm["Threshold"]


def asked(template: Template, name: str) -> dict[str, tuple[str, object, str, int]]:
    """What an alarm looks at, by id: metric, dimensions, statistic and period."""
    return {
        each["Id"]: (
            f"{stat['Metric']['Namespace']} {stat['Metric']['MetricName']}",
            stat["Metric"]["Dimensions"],
            stat["Stat"],
            stat["Period"],
        )
        for each in alarms(template)[name]["Metrics"]
        if (stat := each.get("MetricStat")) is not None
    }


def test_failures_are_counted_of_both_fleets_and_of_the_version(template: Template) -> None:
    assert asked(template, "Errors") == {
        "failed": ("AWS/SageMaker Invocation5XXErrors", VARIANT, "Sum", 60),
        "calls": ("AWS/SageMaker Invocations", VARIANT, "Sum", 60),
    }
    assert asked(template, "FailedAnswers") == {
        "failed": ("fraudloop/test FailedAnswers", VERSION, "Sum", 300),
        "requests": ("fraudloop/test Requests", VERSION, "Sum", 300),
    }


@given(st.integers(1, 100_000), st.integers(0, 100_000))
@example(100, 7)
@example(100, 8)
def test_a_failed_share_is_an_alarm_only_beyond_chance(
    template: Template, requests: int, failed: int
) -> None:
    tolerated = 0.02 * requests
    beyond = failed > tolerated + 1 + 3 * tolerated**0.5
    for name, count in (("Errors", "calls"), ("FailedAnswers", "requests")):
        assert judged(template, name, **{"failed": failed, count: requests}) == beyond
        assert not judged(template, name, **{"failed": None, count: requests})
        assert not judged(template, name, **{"failed": None, count: None})


def test_the_slowest_hundredth_of_few_requests_is_no_figure(template: Template) -> None:
    alarm = alarms(template)["Latency"]
    assert (alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (3, 2)
    assert alarm["Threshold"] == 75_000
    assert asked(template, "Latency")["slowest"] == (
        *("AWS/SageMaker ModelLatency", VARIANT, "p99", 60),
    )
    for calls, microseconds, breaches in (
        (200, 75_001, True),
        (199, 1e9, False),
        (200, 75e3, False),
    ):
        assert judged(template, "Latency", calls=calls, slowest=microseconds) == breaches


@pytest.mark.parametrize(
    ("requests", "times", "breaches"),
    [(400, 1.7, False), (400, 1.8, True), (100, 1.9, False), (10_000, 1.5, False), (4, 2.9, False)],
)
def test_a_version_that_takes_longer_than_the_others_is_told(
    template: Template, requests: int, times: float, breaches: bool
) -> None:
    of_version = {f"new{part}": each * times for part, each in enumerate((5.0, 1.0, 2.0))}
    of_all = {f"all{part}": each for part, each in enumerate((5.0, 1.0, 2.0))}
    assert judged(template, "Slower", requests=requests, **of_version, **of_all) == breaches
    looked_at = asked(template, "Slower")
    assert {each[2:] for name, each in looked_at.items() if name != "requests"} == {("p50", 300)}
    assert looked_at["new1"][:2] == ("fraudloop/test ModelMilliseconds", VERSION)
    assert looked_at["all1"][:2] == ("fraudloop/test ModelMilliseconds", ENDPOINT)


@pytest.mark.parametrize(
    ("answers", "flagged", "others", "flagged_by_others", "breaches"),
    [
        # Four times 1 %, and chance, of 10,000.
        (10_000, 461, 10_000, 97, False),
        (10_000, 462, 10_000, 97, True),
        # Few answers tell little, and nobody to compare with nothing.
        (30, 10, 30, 0, False),
        (3000, 3000, 0, 0, False),
    ],
)
def test_a_version_that_flags_many_times_as_much_as_the_old_fleet_is_told(
    template: Template,
    answers: int,
    flagged: int,
    others: int,
    flagged_by_others: int,
    breaches: bool,
) -> None:
    found = judged(
        template,
        "Shifted",
        answers=answers,
        flagged=flagged,
        every=answers + others,
        all_flagged=flagged + flagged_by_others,
    )
    assert found == breaches


def test_what_rolls_a_version_back_is_an_alarm_of_its_own(template: Template) -> None:
    """Its state is nobody else's; the name changes with the version, and so CloudFormation's."""
    arn = "arn:aws:sagemaker:eu-west-1:1:model-package/fraud/7|image|s3://a/b|0.25|none|0"
    for package, version in ((arn, "7"), ("none", "")):
        names = {
            name: evaluated(alarm["AlarmName"], {"Package": package})
            for name, alarm in alarms(template).items()
            if "AlarmName" in alarm
        }
        assert set(names) == set(alarms(template)) - {"Degraded", "Throttled", "Unmeasured"}
        assert all(value.endswith(f"-{name}-{version}") for name, value in names.items())


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
    assert all(each["Period"] == 300 for each in metrics.values())
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
    published = {
        stat["Metric"]["MetricName"]
        for alarm in alarms(template).values()
        for stat in (each.get("MetricStat") for each in alarm.get("Metrics", ()))
        if stat is not None and stat["Metric"]["Namespace"] == "fraudloop/test"
    } | {alarms(template)["Throttled"]["MetricName"]}
    assert published <= {*LISTS, *COUNTS}


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
        max_slowdown=None,
        scores=ScoreLimits(
            max_flagged_percent=None, max_flagged_ratio=None, min_mean=None, max_mean=None
        ),
    )
    assert set(alarms(synthesize(EndpointConfig(health=health)))) == {
        "Errors",
        "Latency",
        "FailedAnswers",
        "Throttled",
        "Unmeasured",
    }
