"""Definitions, step caching and parameters, without a server."""

import json
from pathlib import Path
from typing import Any

import pytest

from local_aws.sagemaker.errors import ServiceError
from local_aws.sagemaker.pipelines import caching
from local_aws.sagemaker.pipelines.caching import StepCache, lifetime
from local_aws.sagemaker.pipelines.definition import parse
from local_aws.sagemaker.store import Store


def fail(name: str, **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": "x"}, **more}


def text(*steps: dict[str, Any], **more: Any) -> str:
    return json.dumps({"Version": "2020-12-01", "Steps": list(steps), **more})


def gate(*conditions: dict[str, Any], **branches: Any) -> dict[str, Any]:
    arguments = {"Conditions": list(conditions), **branches}
    return {"Name": "Gate", "Type": "Condition", "Arguments": arguments}


EQUAL = {"Type": "Equals", "LeftValue": 1, "RightValue": 1}


def test_branches_wait_for_their_condition() -> None:
    definition = parse(
        text(gate(EQUAL, IfSteps=[fail("Yes")], ElseSteps=[fail("No", DependsOn=["Yes"])]))
    )
    steps = definition.steps
    assert list(steps) == ["Gate", "Yes", "No"]
    assert steps["Yes"].branch == ("Gate", True)
    assert steps["No"].branch == ("Gate", False)
    assert steps["No"].after == {"Gate", "Yes"}
    assert "IfSteps" not in steps["Gate"].arguments


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "PipelineDefinition must be JSON"),
        ("{}", "Version 2020-12-01"),
        (text(fail("A"), fail("A")), "step names must be unique, got 'A' twice"),
        (text(fail("A b")), "step names must be 1 to 64 letters"),
        (
            text(fail("A"), Parameters=[{"Name": "P", "Type": "List"}]),
            "the type of parameter 'P' must be one of",
        ),
        (
            text(fail("A"), Parameters=[{"Name": "P", "Type": "String"}] * 2),
            "parameter names must be unique",
        ),
        (text(gate({"Type": "Matches"})), "does not support the condition Matches of step 'Gate'"),
        (
            text(gate({"Type": "Not", "Condition": {"Type": "Like"}})),
            "does not support the condition Like",
        ),
        (
            text(fail("A"), fail("B", DependsOn=[{"Step": "A", "Trigger": "Failed"}])),
            "does not support the run condition",
        ),
        (
            text(fail("A", CacheConfig={"Enabled": True, "ExpireAfter": "soon"})),
            "ExpireAfter of step 'A' must be an ISO 8601 duration such as P30D, got soon",
        ),
        (
            text(
                fail("A"), {**fail("B"), "Arguments": {"ErrorMessage": {"Std:Upper": {"Value": 1}}}}
            ),
            "does not support the function Std:Upper in step 'B'",
        ),
        (
            text(
                fail("A"),
                {**fail("B"), "Arguments": {"X": {"Get": "Steps.A.PropertyFiles.Report"}}},
            ),
            "refers to property file 'Report' of step 'A', which does not declare it",
        ),
        (
            text({**fail("B"), "Arguments": {"X": {"Get": "Execution.Owner"}}}),
            "refers to 'Execution.Owner', which does not exist",
        ),
    ],
)
def test_bad_definitions_are_refused(document: str, message: str) -> None:
    with pytest.raises(ServiceError) as error:
        parse(document)
    assert error.value.code == "ValidationException"
    assert message in error.value.message


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        ("P30D", 30 * 86400),
        ("p30d", 30 * 86400),
        ("T16m", 16 * 60),
        ("30dT5h", 30 * 86400 + 5 * 3600),
        ("P4DT12H", 4 * 86400 + 12 * 3600),
        ("P1Y2M3W", (365 + 60 + 21) * 86400),
        ("PT90S", 90),
    ],
)
def test_durations(duration: str, seconds: int) -> None:
    assert lifetime({"Enabled": True, "ExpireAfter": duration}, "A") == seconds


def test_caching_is_off_unless_enabled() -> None:
    assert lifetime(None, "A") is None
    assert lifetime({"Enabled": False, "ExpireAfter": "P1D"}, "A") is None


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state" / "store.db")


@pytest.mark.parametrize(
    ("change", "hit"),
    [
        ({}, True),
        ({"RoleArn": "other", "ProcessingOutputConfig": {"Outputs": []}}, True),
        ({"AppSpecification": {"ImageUri": "b"}}, False),
        ({"Environment": {"A": "2"}}, False),
        ({"ProcessingInputs": [{"InputName": "x"}]}, False),
    ],
)
def test_the_attributes_that_aws_names_decide(
    store: Store, change: dict[str, Any], hit: bool
) -> None:
    arguments = {
        "AppSpecification": {"ImageUri": "a"},
        "Environment": {"A": "1"},
        "ProcessingInputs": [],
        "RoleArn": "role",
    }
    cache = StepCache(store, "train")
    cache.keep("Check", "Processing", arguments, {"ExecutionArn": "first"})
    found = cache.find("Check", "Processing", {**arguments, **change}, 60.0)
    assert (found is not None) is hit
    assert cache.find("Other", "Processing", arguments, 60.0) is None
    assert StepCache(store, "other").find("Check", "Processing", arguments, 60.0) is None


def test_results_grow_too_old(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = StepCache(store, "train")
    monkeypatch.setattr(caching, "now", lambda: 1000.0)
    cache.keep("Check", "Processing", {}, {"ExecutionArn": "first"})
    monkeypatch.setattr(caching, "now", lambda: 1060.0)
    assert cache.find("Check", "Processing", {}, 60.0) is not None
    assert cache.find("Check", "Processing", {}, 59.0) is None
