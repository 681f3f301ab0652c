"""The contracts' names are spelled in no other source file."""

import ast
import importlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CONTRACTS = ROOT / "pipeline_code" / "contracts"
SOURCES = ("app.py", "constructs", "operations", "pipeline_code", "stacks")
# What stands elsewhere for something else: words of AWS's own, CSV's and HTML's columns, construct
# ids, and ordinary words.
ORDINARY = {
    *("Approved", "EndpointName", "ImageUri", "ModelPackageGroupName", "ModelVersion", "Reason"),
    *("Errors", "FeatureSource", "Latency", "LookBackHours", "ModelName"),
    *("Degraded", "FailedAnswers", "Flagged", "LabelMaturity", "ModelQuality", "Monitor", "Score"),
    *("1", "approve", "bias", "decline", "fraudloop", "labels", "monitoring", "none", "retraining"),
    *("Answers", "Feature", "Violations", "application/jsonlines", "auto", "training", "|"),
}


def names() -> Iterator[str]:
    """The values of what the contracts export: constants, and members of enumerations."""
    for path in CONTRACTS.glob("[a-z]*.py"):
        module = importlib.import_module(f"pipeline_code.contracts.{path.stem}")
        for name in module.__all__:
            value = getattr(module, name)
            if isinstance(value, type) and issubclass(value, StrEnum):
                yield from (member.value for member in value)
            elif isinstance(value, str):
                yield value


def texts(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    found = [node.value for node in nodes if isinstance(node, ast.Constant)]
    return {value for value in found if isinstance(value, str)}


@pytest.mark.parametrize("source", SOURCES)
def test_a_name_is_spelled_by_the_contracts_alone(source: str) -> None:
    spelled = set(names()) - ORDINARY
    assert {"RawBucketName", "MonitoredRecords", "data-quality", "fraudloop.monitor"} <= spelled
    place = ROOT / source
    files = [place] if place.is_file() else sorted(place.rglob("*.py"))
    again = {
        str(path.relative_to(ROOT)): sorted(both)
        for path in files
        if CONTRACTS not in path.parents and (both := texts(path) & spelled)
    }
    assert not again, "import these from pipeline_code.contracts instead"


def test_what_is_let_be_is_still_a_name() -> None:
    assert set(names()) >= ORDINARY
