"""The picture in the documentation is drawn from the templates, and shows what they say."""

import re

import pytest

from operations.documentation import with_part
from operations.documentation.diagram import BOXES, diagram
from operations.documentation.topology import KINDS, Edge, Topology

from .conftest import ROOT, Synthesized


@pytest.fixture(scope="module")
def prod(synthesized: Synthesized) -> Topology:
    return Topology(synthesized.folder / "prod")


def between(topology: Topology, source: str, target: str) -> list[Edge]:
    return [
        edge
        for edge in topology.edges
        if edge.source.startswith(source) and edge.target.startswith(target)
    ]


@pytest.mark.parametrize("name", ["README.md", "docs/architecture.md"])
def test_the_pages_show_the_picture_of_prod(name: str, synthesized: Synthesized) -> None:
    page = (ROOT / name).read_text(encoding="utf-8")
    assert with_part(page, diagram(synthesized.folder / "prod")) == page, "run `make docs`"


def test_every_environment_has_a_picture_of_every_stack_at_a_glance(
    synthesized: Synthesized, environment: str
) -> None:
    text = diagram(synthesized.folder / environment)
    templates = synthesized.templates(environment)
    assert re.findall(r"subgraph (\w+)", text) != []
    assert {*re.findall(r"subgraph (\w+)", text)} == templates.keys()
    assert 15 <= text.count("<br>") <= 25


def test_every_kind_has_its_box() -> None:
    assert BOXES.keys() == KINDS.keys()


@pytest.mark.parametrize(
    ("source", "target", "is_event"),
    [
        ("Streaming/EventsStream", "Streaming/FoldCustomers", False),  # an event source mapping
        ("Streaming/EventsStream", "Streaming/TransactionsDelivery", False),  # grants of Firehose
        ("Streaming/TransactionsDelivery", "DataLake/LakeRaw", False),
        ("DataLake/LakeRaw", "Training/Pipeline", False),  # a job's role that the pipeline names
        ("Training/Pipeline", "Training/Registry", False),
        ("Training/Registry", "Serving/Deployment", True),  # a rule, a queue, a mapping
        ("Serving/Deployment", "Serving/Endpoint", False),  # the role of the stack
        ("Serving/Endpoint", "DataLake/LakeCaptures", False),  # through configuration and model
        ("Monitoring/MonitoringScheduled", "Retraining/", True),  # who may send is who sends
        ("Retraining/", "Training/Pipeline", False),
    ],
)
def test_the_loop_is_closed(prod: Topology, source: str, target: str, is_event: bool) -> None:
    assert is_event in {edge.is_event for edge in between(prod, source, target)}


def test_what_is_not_granted_is_not_drawn(prod: Topology) -> None:
    assert between(prod, "Serving/Endpoint", "DataLake/LakeRaw") == []
    assert between(prod, "Streaming/", "Training/") == []
