from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Template

from lifecycle.monitoring.alarms import MonitoringAlarms
from lifecycle.monitoring.config import AlarmLimits, MonitoringConfig
from lifecycle.monitoring.monitored_endpoint import MonitoredEndpoint
from pipeline_code.contracts.monitoring import MonitorKind

NAMESPACE = "test/namespace"
ENDPOINT = "test-fraud"
LIMITS = AlarmLimits(
    missing_data_hours=3, missing_data_days=4, label_maturity=0.25, model_age_days=9
)
CONDITION = {"Fn::If": ["Always", "breaching", "notBreaching"]}
DAILY = [kind for kind in MonitorKind if kind is not MonitorKind.DATA_QUALITY]

Alarm = dict[str, Any]


@pytest.fixture(scope="module")
def stack(new_stack: Callable[[], cdk.Stack]) -> cdk.Stack:
    stack = new_stack()
    condition = cdk.CfnCondition(stack, "Always", expression=cdk.Fn.condition_equals("yes", "yes"))
    MonitoringAlarms(
        stack,
        "Alarms",
        watched=MonitoredEndpoint(
            endpoint_name=ENDPOINT,
            metric_namespace=NAMESPACE,
            monitor_names={kind: f"test-{kind}" for kind in MonitorKind},
            labels_name="test-labels",
            retry_function_name="test-retry",
        ),
        encryption_key=kms.Key(stack, "Key"),
        config=MonitoringConfig(limits=LIMITS),
        condition=condition,
    )
    return stack


@pytest.fixture(scope="module")
def alarms(stack: cdk.Stack) -> dict[tuple[str, str], Alarm]:
    """By metric and, if they are of one, by monitor."""
    found = Template.from_stack(stack).find_resources("AWS::CloudWatch::Alarm").values()
    named = {}
    for each in found:
        properties = each["Properties"]
        dimensions = {item["Name"]: item["Value"] for item in properties["Dimensions"]}
        assert dimensions.pop("EndpointName") == ENDPOINT
        assert properties["Namespace"] == NAMESPACE
        key = properties["MetricName"], dimensions.pop("Monitor", "")
        assert not dimensions
        assert key not in named
        named[key] = properties
    return named


def shape(alarm: Alarm) -> tuple[Any, ...]:
    comparison = {"GreaterThanThreshold": ">", "LessThanThreshold": "<"}
    return (
        alarm["Statistic"],
        comparison[alarm["ComparisonOperator"]],
        alarm["Threshold"],
        alarm["Period"],
        alarm["EvaluationPeriods"],
        alarm["TreatMissingData"],
    )


def test_each_kind_of_violation_is_an_alarm_and_their_silence_is_none(
    alarms: dict[tuple[str, str], Alarm],
) -> None:
    hourly = ("Maximum", ">", 0, 3600, 1, "notBreaching")
    assert shape(alarms["Violations", "data-quality"]) == hourly
    for kind in DAILY:
        assert shape(alarms["Violations", kind]) == ("Maximum", ">", 0, 86400, 1, "notBreaching")


def test_time_without_analyzed_records_is_an_alarm_once_there_is_an_endpoint(
    alarms: dict[tuple[str, str], Alarm],
) -> None:
    hourly = ("Sum", "<", 1, 3600, 3, CONDITION)
    assert shape(alarms["MonitoredRecords", "data-quality"]) == hourly
    for kind in DAILY:
        assert shape(alarms["MonitoredRecords", kind]) == ("Sum", "<", 1, 86400, 4, CONDITION)


def test_what_keeps_monitors_from_finding_anything_is_an_alarm(
    alarms: dict[tuple[str, str], Alarm],
) -> None:
    assert shape(alarms["AnalysesFailed", ""]) == ("Sum", ">", 0, 3600, 1, "notBreaching")
    mature = ("Maximum", "<", 0.25, 86400, 7, "notBreaching")
    assert shape(alarms["LabelMaturity", "labels"]) == mature
    labels = ("SampleCount", "<", 1, 86400, 4, CONDITION)
    assert shape(alarms["UnmetReports", ""]) == labels
    assert shape(alarms["ChampionAgeDays", ""]) == ("Maximum", ">", 9, 3600, 1, "notBreaching")


def test_there_is_no_other_alarm(alarms: dict[tuple[str, str], Alarm]) -> None:
    assert len(alarms) == 2 * len(MonitorKind) + 4


def test_every_alarm_goes_to_the_topic(
    stack: cdk.Stack, alarms: dict[tuple[str, str], Alarm]
) -> None:
    (topic,) = Template.from_stack(stack).find_resources("AWS::SNS::Topic")
    assert [each["AlarmActions"] for each in alarms.values()] == [[{"Ref": topic}]] * len(alarms)


def test_every_alarm_says_what_to_do_first(alarms: dict[tuple[str, str], Alarm]) -> None:
    for (metric, monitor), alarm in alarms.items():
        said = alarm["AlarmDescription"]
        # CloudWatch takes no more.
        assert len(said) <= 1024
        assert "First: " in said
        assert "`fraudloop " in said
        assert "{" not in said
        if metric in {"Violations", "MonitoredRecords"}:
            assert f"`fraudloop drift --kind {monitor}`" in said


def test_runbooks_name_what_people_look_at(alarms: dict[tuple[str, str], Alarm]) -> None:
    def said(metric: str, monitor: str = "") -> str:
        return str(alarms[metric, monitor]["AlarmDescription"])

    assert "test-retry" in said("AnalysesFailed")
    assert "less than 25.0 %" in said("LabelMaturity", "labels")
    assert "test-labels" in said("UnmetReports")
    assert "more than 9 days ago" in said("ChampionAgeDays")
    assert "for 3 hours" in said("MonitoredRecords", "data-quality")
    assert "for 4 days" in said("MonitoredRecords", "bias")
    assert "test-bias" in said("MonitoredRecords", "bias")
