"""The model card, against SageMaker's schema of a package's card and its own shapes."""

import json
from dataclasses import replace
from typing import Any

import botocore.session
import pytest

from operations.smoke.probes.packages import CARD
from pipeline_code.evaluate.assessment import Assessment
from pipeline_code.evaluate.card import card_content
from pipeline_code.quality.importance import Importance

NUMBER, TEXT = {"type": "number"}, {"type": "string", "maxLength": 63}
NAMES = {"type": "array", "items": TEXT}


def strict(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": properties,
    }


def text(most: int, least: int = 0) -> dict[str, Any]:
    return {"type": "string", "minLength": least, "maxLength": most}


def metric(kind: str, value: dict[str, Any], **axes: Any) -> dict[str, Any]:
    return strict(
        ("name", "type", "value"),
        name=text(255, 1),
        notes=text(1024),
        type={"enum": [kind]},
        value=value,
        **axes,
    )


def array(items: dict[str, Any], **limits: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1, **limits}


METRIC = {
    "anyOf": [
        metric("number", NUMBER),
        metric(
            "linear_graph",
            array(array(NUMBER, minItems=2, maxItems=2)),
            x_axis_name=TEXT,
            y_axis_name=TEXT,
        ),
        metric("bar_chart", array(NUMBER), x_axis_name=NAMES, y_axis_name=TEXT),
        metric(
            "matrix",
            array(array(NUMBER, maxItems=20), maxItems=20),
            x_axis_name=NAMES,
            y_axis_name=NAMES,
        ),
    ]
}

# What the documentation of the model registry allows in a package's card, as far as ours goes.
SCHEMA = strict(
    model_overview=strict(model_creator=text(1024)),
    intended_uses=strict(
        purpose_of_model=text(2048),
        intended_uses=text(2048),
        factors_affecting_model_efficiency=text(2048),
        risk_rating={"enum": ["High", "Medium", "Low", "Unknown"]},
        explanations_for_risk_rating=text(2048),
    ),
    business_details=strict(business_problem=text(2048)),
    training_details=strict(
        training_observations=text(1024),
        training_job_details=strict(
            user_provided_training_metrics={
                "type": "array",
                "maxItems": 50,
                "items": strict(("name", "value"), name=text(255, 1), value=NUMBER),
            },
            user_provided_hyper_parameters={
                "type": "array",
                "maxItems": 100,
                "items": strict(("name", "value"), name=text(255, 1), value=text(255, 1)),
            },
        ),
    ),
    evaluation_details={
        "type": "array",
        "items": strict(
            ("name",),
            name=text(63, 1),
            evaluation_observation=text(2096),
            metadata={"type": "object", "additionalProperties": text(1024)},
            metric_groups={
                "type": "array",
                "items": strict(
                    ("name", "metric_data"),
                    name=text(63, 1),
                    metric_data={"type": "array", "items": METRIC},
                ),
            },
        ),
    },
    additional_information=strict(
        ethical_considerations=text(2048),
        caveats_and_recommendations=text(2048),
        custom_details={"type": "object", "additionalProperties": text(1024)},
    ),
)


def check(content: str) -> dict[str, Any]:
    jsonschema = pytest.importorskip("jsonschema", reason="NOT CHECKED: jsonschema is missing")
    card: dict[str, Any] = json.loads(content)
    jsonschema.validate(card, SCHEMA)
    return card


def test_the_card_follows_the_schema(assessment: Assessment) -> None:
    check(card_content(assessment))
    check(card_content(replace(assessment, rival=None, gate=None, artifact=None)))


def shape(value: Any) -> Any:
    """The members of a document, with the types of their values."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(shape(each), sort_keys=True) for each in value})
    return "number" if isinstance(value, int | float) else type(value).__name__


def test_the_smoke_test_asks_with_a_card_of_this_shape(assessment: Assessment) -> None:
    asked = json.loads(CARD.read_text(encoding="utf-8"))
    assert shape(asked) == shape(json.loads(card_content(assessment)))


def test_the_sdk_reads_the_card_and_loses_nothing(assessment: Assessment) -> None:
    from sagemaker.core.shapes.model_card_shapes import (  # noqa: PLC0415 - slow to import
        ModelCardContent,
    )

    content = json.loads(card_content(assessment))
    read = ModelCardContent.model_validate(content)
    assert json.loads(read.model_dump_json(exclude_none=True)) == content


def test_the_card_is_one_line_within_the_service_limit(assessment: Assessment) -> None:
    service = botocore.session.get_session().get_service_model("sagemaker")
    limit = service.shape_for("ModelCardContent").metadata["max"]
    content = card_content(assessment)
    assert len(content) < limit / 3
    assert "\n" not in content


def test_many_features_do_not_make_the_card_longer(assessment: Assessment) -> None:
    many = [Importance(f"{'feature' * 20}_{place}", 1.0) for place in range(5_000)]
    content = card_content(replace(assessment, importances=many))
    check(content)
    assert len(content) < 1.2 * len(card_content(assessment))


def test_a_card_that_is_too_long_is_refused(assessment: Assessment) -> None:
    hyperparameters = {f"name_{place}": "x" * 255 for place in range(500)}
    metadata = replace(assessment.metadata, hyperparameters=hyperparameters)
    with pytest.raises(ValueError, match="a model card must have at most 100000 characters, got"):
        card_content(replace(assessment, metadata=metadata))


def test_the_card_tells_what_was_measured(assessment: Assessment) -> None:
    card = json.loads(card_content(assessment))
    (evaluation,) = card["evaluation_details"]
    groups = {group["name"]: group["metric_data"] for group in evaluation["metric_groups"]}
    ranking = {each["name"]: each["value"] for each in groups["Ranking"]}
    expected = assessment.evaluation.metrics["average_precision"].value
    assert ranking["average_precision"] == expected
    assert assessment.gate is not None
    assert str(assessment.gate["reason"]) in evaluation["evaluation_observation"]
    assert "41 more were left out" in evaluation["evaluation_observation"]
    parameters = card["training_details"]["training_job_details"]["user_provided_hyper_parameters"]
    assert {"name": "max_depth", "value": "4"} in parameters
    assert card["additional_information"]["custom_details"]["model_sha256"] == "ab" * 32
    assert card["additional_information"]["custom_details"]["model_digest"] == "cd" * 32
