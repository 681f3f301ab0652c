from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk.assertions import Template

from lifecycle.streaming.consumer import ConsumerConfig
from lifecycle.streaming.event_stream import EventStream, StreamConfig
from lifecycle.streaming.online_fold import QUARANTINE_PREFIX, OnlineFold
from pipeline_code.contracts.metrics import FEATURE_JOB
from pipeline_code.features.definitions import SCHEMA_VERSION
from pipeline_code.stream.quarantine import QUARANTINE_PREFIX as WRITTEN_PREFIX


@pytest.fixture(scope="module")
def around(new_surroundings: Callable[[], Any]) -> Any:
    around = new_surroundings()
    streams = [
        EventStream(
            around.stack,
            construct_id,
            stream_name=name,
            encryption_key=around.key,
            config=StreamConfig(),
        )
        for construct_id, name in (("Events", "events"), ("TerminalEvents", "terminal-events"))
    ]
    OnlineFold(
        around.stack,
        "Fold",
        events=streams[0],
        terminal_events=streams[1],
        store=around.feature_store,
        quarantine_bucket=around.raw,
        image=around.image,
        metric_namespace="test/metrics",
        encryption_key=around.key,
        config=ConsumerConfig(),
    )
    return around


@pytest.fixture(scope="module")
def fold(around: Any) -> Any:
    return around.stack.node.find_child("Fold")


@pytest.fixture(scope="module")
def template(around: Any) -> Template:
    return around.template()


def environment(template: Template, service: str) -> dict[str, Any]:
    (found,) = (
        function["Properties"]["Environment"]["Variables"]
        for function in template.find_resources("AWS::Lambda::Function").values()
        if function["Properties"]
        .get("Environment", {})
        .get("Variables", {})
        .get("POWERTOOLS_SERVICE_NAME")
        == service
    )
    return dict(found)


@pytest.mark.parametrize("name", ["customers", "terminals"])
def test_a_consumer_may_read_and_write_its_own_entitys_states_only(
    around: Any, fold: Any, name: str
) -> None:
    role = getattr(fold, name).role
    for action in ("sagemaker:BatchGetRecord", "sagemaker:BatchWriteRecord"):
        (group,) = around.allowed(role, action)
        assert group["Fn::Join"][1][-1].endswith(
            f"feature-group/test-{name[:-1]}-{SCHEMA_VERSION}"
        ), action


def test_events_are_passed_on_by_the_first_consumer_only(around: Any, fold: Any) -> None:
    stream = around.stack.node.find_child("TerminalEvents").stream
    assert around.allowed(fold.customers.role, "kinesis:PutRecords") == [
        around.stack.resolve(stream.stream_arn)
    ]
    assert around.allowed(fold.terminals.role, "kinesis:PutRecords") == []


def test_each_stream_has_its_consumer(around: Any, template: Template) -> None:
    sources = template.find_resources("AWS::Lambda::EventSourceMapping").values()
    found = {str(source["Properties"]["EventSourceArn"]) for source in sources}
    streams = (around.stack.node.find_child(name).stream for name in ("Events", "TerminalEvents"))
    assert found == {str(around.stack.resolve(stream.stream_arn)) for stream in streams}


def test_consumers_may_write_to_the_quarantine_only(around: Any, fold: Any) -> None:
    assert QUARANTINE_PREFIX == WRITTEN_PREFIX
    for consumer in (fold.customers, fold.terminals):
        assert around.allowed(consumer.role, "s3:PutObject") == around.objects(
            around.raw, QUARANTINE_PREFIX
        )


def test_consumers_are_told_what_they_need(around: Any, template: Template) -> None:
    customers = environment(template, "fold_customers")
    terminals = environment(template, "fold_terminals")
    assert customers["TERMINAL_STREAM"] == "terminal-events"
    assert "TERMINAL_STREAM" not in terminals
    for found in (customers, terminals):
        assert found["FEATURE_GROUP_PATTERN"] == "test-{entity}-{version}"
        assert found["QUARANTINE_BUCKET"] == around.stack.resolve(around.raw.bucket_name)
        assert found["POWERTOOLS_METRICS_NAMESPACE"] == "test/metrics"
        assert found["STORE_READS_A_SECOND"] == "10"


def test_a_record_that_breaks_a_rule_is_an_alarm(template: Template) -> None:
    template.has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {
            "Namespace": "test/metrics",
            "MetricName": "QuarantinedRecords",
            "Dimensions": [{"Name": "service", "Value": "fold_customers"}],
            "Threshold": 0,
            "TreatMissingData": "notBreaching",
        },
    )


def test_all_alarms_are_known(fold: Any) -> None:
    assert len(fold.alarms) == 6


def test_whoever_writes_states_is_watched_for_being_throttled(
    fold: Any, template: Template
) -> None:
    (alarm,) = (
        body["Properties"]
        for body in template.find_resources("AWS::CloudWatch::Alarm").values()
        if "StoreThrottles" in str(body)
    )
    metrics = [each["MetricStat"] for each in alarm["Metrics"] if "MetricStat" in each]
    assert {each["Metric"]["Dimensions"][0]["Value"] for each in metrics} == {
        "fold_customers",
        "fold_terminals",
        FEATURE_JOB,
    }
    assert alarm["Threshold"] == 0
    assert alarm["TreatMissingData"] == "notBreaching"
