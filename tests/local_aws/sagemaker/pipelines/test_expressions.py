"""Expressions and conditions of pipeline definitions, without a server."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.sagemaker.pipelines.conditions import holds
from local_aws.sagemaker.pipelines.expressions import (
    ExpressionError,
    look_up,
    names,
    resolve,
    step_of,
)

REPORT = {"gate": {"margin": -0.25, "reason": "too low", "passed": False}, "folds": [{"a b": 1}]}
JOB = {
    "ProcessingOutputConfig": {
        "Outputs": [
            {"OutputName": "train", "S3Output": {"S3Uri": "s3://data/train"}},
            {"OutputName": "test", "S3Output": {"S3Uri": "s3://data/test"}},
        ]
    },
    "Environment": {"KEY": "value"},
}


class Scope:
    """Fixed values for every name."""

    def parameter(self, name: str) -> Any:
        return {"Days": 7, "Floor": 0.55, "Flag": True, "Name": "fraud"}[name]

    def variable(self, name: str) -> str:
        return f"<{name}>"

    def properties(self, step: str) -> Mapping[str, Any]:
        return {"Features": JOB}[step]

    def property_file(self, step: str, name: str) -> Any:
        return {("Evaluate", "R"): REPORT}[step, name]

    def json_object(self, uri: str) -> Any:
        return {"uri": uri}


def get(name: str) -> dict[str, str]:
    return {"Get": name}


def json_get(path: str) -> dict[str, Any]:
    return {"Std:JsonGet": {"PropertyFile": get("Steps.Evaluate.PropertyFiles.R"), "Path": path}}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (get("Parameters.Days"), 7),
        (get("Execution.PipelineExecutionId"), "<PipelineExecutionId>"),
        (
            get("Steps.Features.ProcessingOutputConfig.Outputs['test'].S3Output.S3Uri"),
            "s3://data/test",
        ),
        (get("Steps.Features.ProcessingOutputConfig.Outputs[0].OutputName"), "train"),
        (get("Steps.Features.Environment['KEY']"), "value"),
        ({"Std:Join": {"On": "/", "Values": ["s3:/", get("Parameters.Name")]}}, "s3://fraud"),
        (
            {
                "Std:Join": {
                    "On": "-",
                    "Values": [
                        get("Parameters.Days"),
                        get("Parameters.Floor"),
                        get("Parameters.Flag"),
                    ],
                }
            },
            "7-0.55-true",
        ),
        (json_get("gate.margin"), -0.25),
        (json_get("folds[0]['a b']"), 1),
        (
            {"Std:JsonGet": {"S3Uri": {"Std:Join": {"Values": ["s3://a/b"]}}, "Path": "uri"}},
            "s3://a/b",
        ),
        ({"Nested": [{"Value": get("Parameters.Days")}]}, {"Nested": [{"Value": 7}]}),
    ],
)
def test_expressions_are_resolved(expression: Any, value: Any) -> None:
    assert resolve(expression, Scope()) == value


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            get("Steps.Features.ProcessingOutputConfig.Outputs['x'].S3Output"),
            "step Features has no 'x'",
        ),
        (json_get("gate.absent"), "has no value at path 'gate.absent'"),
        (json_get("gate[?(@.a)]"), "is not a path"),
    ],
)
def test_what_is_not_there_is_named(expression: Any, message: str) -> None:
    with pytest.raises(ExpressionError) as error:
        resolve(expression, Scope())
    assert message in str(error.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(min_size=5), inner, min_size=2),
    )
)
def test_what_holds_no_expression_stays_as_it_is(value: Any) -> None:
    assert resolve(value, Scope()) == value
    assert list(names(value)) == []


@given(st.lists(st.text(alphabet="abcxyz_", min_size=1), min_size=1, max_size=5), st.integers())
def test_a_value_is_found_where_it_was_put(keys: list[str], value: int) -> None:
    document: Any = value
    for key in reversed(keys):
        document = {key: document}
    assert look_up(document, ".".join(keys)) == value
    assert look_up(document, "".join(f"['{key}']" for key in keys)) == value


def test_references_name_their_steps() -> None:
    value = {"A": [json_get("x"), get("Steps.Train.ModelArtifacts")], "B": get("Parameters.Days")}
    assert {step_of(name) for name in names(value)} == {"Evaluate", "Train", None}


@pytest.mark.parametrize(
    ("kind", "left", "right", "outcome"),
    [
        ("Equals", 1, 1.0, True),
        ("Equals", "a", "b", False),
        ("Equals", True, 1, False),
        ("GreaterThan", json_get("gate.margin"), -0.3, True),
        ("GreaterThanOrEqualTo", 0.55, get("Parameters.Floor"), True),
        ("GreaterThanOrEqualTo", 0.54, get("Parameters.Floor"), False),
        ("LessThan", 1, 2, True),
        ("LessThan", 2, 2, False),
        ("LessThanOrEqualTo", 2, 2, True),
        ("LessThanOrEqualTo", "a", "b", True),
    ],
)
def test_comparisons(kind: str, left: Any, right: Any, outcome: bool) -> None:
    condition = {"Type": kind, "LeftValue": left, "RightValue": right}
    assert holds(condition, Scope()) is outcome
    assert holds({"Type": "Not", "Condition": condition}, Scope()) is not outcome
    never = {"Type": "Equals", "LeftValue": 0, "RightValue": 1}
    assert holds({"Type": "Or", "Conditions": [never, condition]}, Scope()) is outcome


@pytest.mark.parametrize(("value", "outcome"), [("fraud", True), ("other", False)])
def test_membership(value: str, outcome: bool) -> None:
    condition = {"Type": "In", "QueryValue": value, "Values": ["x", get("Parameters.Name")]}
    assert holds(condition, Scope()) is outcome


@pytest.mark.parametrize(("left", "right"), [("a", 1), (True, 0)])
def test_unlike_values_have_no_order(left: Any, right: Any) -> None:
    with pytest.raises(ExpressionError, match="must compare two numbers or two strings"):
        holds({"Type": "GreaterThan", "LeftValue": left, "RightValue": right}, Scope())
