import json
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Template

from lifecycle.monitoring_alarms import MonitoringAlarms, Watched
from lifecycle.monitoring_config import MonitoringConfig
from lifecycle.monitoring_dashboard import MonitoringDashboard
from lifecycle.parity_alarms import ParityAlarms
from pipeline_code.monitor.kinds import MonitorKind


@pytest.fixture(scope="module")
def widgets(new_stack: Callable[[], cdk.Stack]) -> dict[str, dict[str, Any]]:
    stack = new_stack()
    watched = Watched(
        endpoint_name="test-fraud",
        metric_namespace="test/namespace",
        monitor_names={kind: f"test-{kind}" for kind in MonitorKind},
        labels_name="test-labels",
        retry_function_name="test-retry",
    )
    alarms = MonitoringAlarms(
        stack,
        "Alarms",
        watched=watched,
        encryption_key=kms.Key(stack, "Key"),
        config=MonitoringConfig(),
        condition=cdk.CfnCondition(
            stack, "Always", expression=cdk.Fn.condition_equals("yes", "yes")
        ),
    )
    dashboard = MonitoringDashboard(
        stack,
        "Dashboard",
        dashboard_name="test-monitoring",
        watched=watched,
        variant_name="primary",
        alarms=alarms,
    )
    dashboard.add_parity(
        ParityAlarms(
            stack,
            "Parity",
            endpoint_name="test-fraud",
            metric_namespace="test/namespace",
            reports="s3://reports",
            topic=alarms.topic,
        )
    )
    template = Template.from_stack(stack)
    (resource,) = template.find_resources("AWS::CloudWatch::Dashboard").values()
    assert resource["Properties"]["DashboardName"] == "test-monitoring"
    parts = resource["Properties"]["DashboardBody"]["Fn::Join"][1]
    body = json.loads("".join(part if isinstance(part, str) else "reference" for part in parts))
    return {widget["properties"]["title"]: widget["properties"] for widget in body["widgets"]}


def test_the_dashboard_shows_every_alarm(widgets: dict[str, dict[str, Any]]) -> None:
    assert widgets["Alarms"]["alarms"] == ["reference"] * (2 * len(MonitorKind) + 3)


@pytest.mark.parametrize(
    ("title", "metric"), [("Violations", "Violations"), ("Analyzed records", "MonitoredRecords")]
)
def test_the_dashboard_shows_the_analyzers_metrics_of_each_kind(
    widgets: dict[str, dict[str, Any]], title: str, metric: str
) -> None:
    lines = widgets[title]["metrics"]
    assert [line[:6] for line in lines] == [
        ["test/namespace", metric, "Endpoint", "test-fraud", "Monitor", kind]
        for kind in MonitorKind
    ]


def test_the_dashboard_shows_parity(widgets: dict[str, dict[str, Any]]) -> None:
    assert widgets["Parity of features"]["alarms"] == ["reference"]
    (rate,) = widgets["Answers that differ from batch (%)"]["metrics"]
    causes = widgets["Causes"]["metrics"]
    assert [line[1] for line in (rate, *causes)] == [
        "ParityMismatchRate",
        "ParityDefects",
        "ParityLate",
        "ParityDegraded",
    ]


def test_the_dashboard_finds_features_by_itself(widgets: dict[str, dict[str, Any]]) -> None:
    ((line,),) = widgets["Drift by feature"]["metrics"]
    assert line["expression"] == (
        'SEARCH(\'{test/namespace,Endpoint,Feature} MetricName="FeatureDrift" '
        "Endpoint=\"test-fraud\"', 'Maximum', 3600)"
    )


def test_the_dashboard_shows_the_endpoints_load_and_latency(
    widgets: dict[str, dict[str, Any]],
) -> None:
    lines = [
        *widgets["Requests and errors"]["metrics"],
        *widgets["Latency (microseconds)"]["metrics"],
    ]
    assert {line[1] for line in lines} == {
        "Invocations",
        "Invocation4XXErrors",
        "Invocation5XXErrors",
        "ModelLatency",
        "OverheadLatency",
    }
    assert all(
        line[2:6] == ["EndpointName", "test-fraud", "VariantName", "primary"] for line in lines
    )
