import json
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Template

from lifecycle.monitoring.alarms import MonitoringAlarms
from lifecycle.monitoring.config import MonitoringConfig
from lifecycle.monitoring.costs import CostConfig
from lifecycle.monitoring.dashboard import MonitoringDashboard
from lifecycle.monitoring.monitored_endpoint import MonitoredEndpoint
from lifecycle.parity.alarms import ParityAlarms
from pipeline_code.contracts.monitoring import MonitorKind

Widgets = dict[str, dict[str, Any]]
PRICES = CostConfig(endpoint=0.115, processing=0.23, training=0.0)


@pytest.fixture(scope="module")
def widgets(new_stack: Callable[[], cdk.Stack]) -> Widgets:
    return shown(new_stack(), PRICES)


def shown(stack: cdk.Stack, costs: CostConfig) -> Widgets:
    """The dashboard's widgets by their titles; a text has none."""
    watched = MonitoredEndpoint(
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
        costs=costs,
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
    return {
        widget["properties"].get("title", ""): widget["properties"] for widget in body["widgets"]
    }


def test_the_dashboard_shows_every_alarm(widgets: Widgets) -> None:
    assert widgets["Alarms"]["alarms"] == ["reference"] * (2 * len(MonitorKind) + 4)


@pytest.mark.parametrize(
    ("title", "metric"), [("Violations", "Violations"), ("Analyzed records", "MonitoredRecords")]
)
def test_the_dashboard_shows_the_analyzers_metrics_of_each_kind(
    widgets: Widgets, title: str, metric: str
) -> None:
    lines = widgets[title]["metrics"]
    assert [line[:6] for line in lines] == [
        ["test/namespace", metric, "EndpointName", "test-fraud", "Monitor", kind]
        for kind in MonitorKind
    ]


def test_the_dashboard_shows_parity(widgets: Widgets) -> None:
    assert widgets["Parity of features"]["alarms"] == ["reference"]
    (rate,) = widgets["Answers that differ from batch (%)"]["metrics"]
    causes = widgets["Causes"]["metrics"]
    assert [line[1] for line in (rate, *causes)] == [
        "ParityMismatchRate",
        "ParityDefects",
        "ParityLate",
        "ParityDegraded",
    ]


def test_the_dashboard_finds_features_by_itself(widgets: Widgets) -> None:
    ((line,),) = widgets["Drift by feature (PSI)"]["metrics"]
    assert line["expression"] == (
        'SEARCH(\'{test/namespace,EndpointName,Feature} MetricName="FeatureDrift" '
        "EndpointName=\"test-fraud\"', 'Maximum', 3600)"
    )


def test_the_dashboard_shows_the_endpoints_load_and_latency(
    widgets: Widgets,
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


def test_the_dashboard_shows_how_scores_are_distributed(widgets: Widgets) -> None:
    lines = widgets["Score distribution"]["metrics"]
    assert [line[:4] for line in lines] == [
        ["test/namespace", "Score", "EndpointName", "test-fraud"]
    ] * 4
    assert [line[-1]["stat"] for line in lines] == ["p10", "p50", "p90", "p99"]
    ((share,), *parts) = widgets["Flagged for review or declined (%)"]["metrics"]
    assert share["expression"] == "100 * flagged / answers"
    assert {(line[1], line[-1]["id"]) for line in parts} == {
        ("Flagged", "flagged"),
        ("Answers", "answers"),
    }


def test_model_quality_is_shown_with_the_maturity_of_its_labels(widgets: Widgets) -> None:
    lines = widgets["Model quality, and the share of predictions that it is judged by"]["metrics"]
    left = [line for line in lines if line[-1].get("yAxis") != "right"]
    right = [line for line in lines if line[-1].get("yAxis") == "right"]
    assert [line[2:6] for line in left] == [
        ["EndpointName", "test-fraud", "Metric", name]
        for name in ("AveragePrecision", "AucRoc", "CardPrecision", "CalibrationError")
    ]
    assert [line[1:6] for line in right] == [
        ["LabelMaturity", "EndpointName", "test-fraud", "Monitor", kind]
        for kind in ("model-quality", "bias")
    ]


@pytest.mark.parametrize(
    ("title", "metrics"),
    [
        ("Champion's age", ["ChampionAgeDays"]),
        ("Feature attribution", ["AttributionRank", "AttributionShift"]),
        (
            "Retraining",
            ["RetrainingsStarted", "RetrainingsDeclined", "RetrainingsFailed", "UncuredDrifts"],
        ),
        ("Analyses that failed", ["AnalysesFailed"] * 4),
    ],
)
def test_the_dashboard_shows_what_keeps_the_model_good(
    widgets: Widgets, title: str, metrics: list[str]
) -> None:
    lines = widgets[title]["metrics"]
    assert [line[1] for line in lines] == metrics
    assert all(line[2:4] == ["EndpointName", "test-fraud"] for line in lines)


def test_cost_is_minutes_of_instances_times_their_price(widgets: Widgets) -> None:
    graph = widgets["Cost per day (USD)"]
    assert (graph["period"], graph["stacked"]) == (86400, True)
    formulas = [line[0]["expression"] for line in graph["metrics"] if "expression" in line[0]]
    jobs = [
        f"SUM(SEARCH('{{/aws/sagemaker/{kind}Jobs,Host}} MetricName=\"CPUUtilization\"', "
        "'SampleCount', 86400))"
        for kind in ("Processing", "Training")
    ]
    assert formulas == [
        "FILL(endpoint, 0) / 60 * 0.115",
        "FILL(processing, 0) / 60 * 0.23",
        jobs[0],
        # A price of nothing is a price.
        "FILL(training, 0) / 60 * 0.0",
        jobs[1],
    ]
    (endpoint,) = (line for line in graph["metrics"] if "expression" not in line[0])
    assert endpoint[:2] == ["/aws/sagemaker/Endpoints", "CPUUtilization"]
    assert endpoint[-1]["stat"] == "SampleCount"
    assert "EstimatedCharges" in widgets[""]["markdown"]


def test_without_prices_hours_are_shown(new_stack: Callable[[], cdk.Stack]) -> None:
    graph = shown(new_stack(), CostConfig())["Cost per day (instance hours)"]
    assert graph["metrics"][0][0]["expression"] == "FILL(endpoint, 0) / 60 * 1.0"


@pytest.mark.parametrize(
    ("prices", "message"),
    [
        ({"endpoint": 0.1}, "processing must be a price if the others are, got None; give all"),
        (
            {"endpoint": -0.1, "processing": 0.1, "training": 0.1},
            "endpoint must be at least 0, got -0.1",
        ),
    ],
)
def test_prices_that_make_no_sense_are_refused(prices: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CostConfig(**prices)
