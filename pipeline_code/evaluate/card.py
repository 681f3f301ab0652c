"""The model card of a package: what the model is for, how it was made and what it is worth.

It follows SageMaker's schema of a model package's card and says only what the data and the code
show; nobody's name, and no judgement that an operator has to make.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline_code.common.money import CURRENCY
from pipeline_code.evaluate.assessment import Assessment
from pipeline_code.evaluate.groups import Group
from pipeline_code.quality.curves import curves
from pipeline_code.quality.metrics import Metric

__all__ = ["card_content"]

# The limits of SageMaker's schema.
CONTENT_LIMIT = 100_000
AXIS_NAME_LIMIT = 63
VALUE_LIMIT = 255
# What keeps the card far below its limit, however many features and groups there are.
BARS = 20
CURVE_STEP = 5

PURPOSE = (
    "Gives every card transaction the probability that it is a fraud, so that the most suspicious "
    "cards can be reviewed each day, by people who cannot review all."
)
USES = (
    "Ranking transactions for review, and calling for a review above a threshold. Not for refusing "
    "a customer, nor for judging one: it tells how unusual a transaction is, not who made it."
)
FACTORS = (
    "It compares a transaction with the customer's and the terminal's recent past, so it knows "
    "little of new ones. Frauds of a kind that nobody has reported yet look like genuine "
    "transactions to it. It is measured anew, and trained anew, when the data drift."
)
PROBLEM = "Frauds by card cost their amount unless a review finds the compromised card in time."
ETHICS = (
    "The features hold nothing of who a customer is. Recall is compared between segments by "
    "tenure, activity and spending; a model whose recall differs by more than the gate's limit, "
    "beyond chance, is not registered."
)
CAVEATS = (
    "Figures are of one test window, in which cards known to be compromised were left out; other "
    "weeks differ by about the stated deviations. Labels are reports of fraud: what nobody "
    "reported counts as genuine."
)


def card_content(assessment: Assessment) -> str:
    """The card as the text that SageMaker takes.

    Raises:
        ValueError: It is longer than SageMaker takes.
    """
    content = json.dumps(
        {
            "model_overview": {"model_creator": "the training pipeline of fraudloop"},
            "intended_uses": {
                "purpose_of_model": PURPOSE,
                "intended_uses": USES,
                "factors_affecting_model_efficiency": FACTORS,
                "risk_rating": "Unknown",
                "explanations_for_risk_rating": "Rating it is left to whoever approves it.",
            },
            "business_details": {"business_problem": PROBLEM},
            "training_details": _training(assessment),
            "evaluation_details": [_evaluation(assessment)],
            "additional_information": {
                "ethical_considerations": ETHICS,
                "caveats_and_recommendations": CAVEATS,
                "custom_details": _details(assessment),
            },
        },
        separators=(",", ":"),
    )
    if len(content) > CONTENT_LIMIT:
        raise ValueError(
            f"a model card must have at most {CONTENT_LIMIT} characters, got {len(content)}"
        )
    return content


def _training(assessment: Assessment) -> dict[str, Any]:
    metadata = assessment.metadata
    rows = assessment.rows
    return {
        "training_observations": (
            f"Trained on {rows['train']} transactions, {rows['train_frauds']} of them frauds, from "
            f"{metadata.train_first_event or 'unknown'} to {metadata.train_last_event or 'unknown'}"
            "; as frauds counted those that had been reported by then."
        ),
        "training_job_details": {
            "user_provided_training_metrics": [
                {"name": f"validation:{name}", "value": float(value)}
                for name, value in metadata.validation.items()
            ],
            "user_provided_hyper_parameters": [
                {"name": name, "value": str(value)[:VALUE_LIMIT] or "none"}
                for name, value in metadata.hyperparameters.items()
            ],
        },
    }


def _evaluation(assessment: Assessment) -> dict[str, Any]:
    rows = assessment.rows
    start, end = assessment.test_period
    gate = "" if assessment.gate is None else f" Gate: {assessment.gate['reason']}"
    observation = (
        f"Tested on {rows['test']} transactions, {rows['test_frauds']} of them frauds, from "
        f"{start} to {end}; {rows['test_removed']} more were left out, as their cards were "
        f"known to be compromised.{gate}"
    )
    return {
        "name": "Test window",
        "evaluation_observation": observation[:2096],
        "metadata": {"test_start": start, "test_end": end},
        "metric_groups": [group for group in _metric_groups(assessment) if group["metric_data"]],
    }


def _metric_groups(assessment: Assessment) -> list[dict[str, Any]]:
    evaluation, measured = assessment.evaluation, assessment.evaluation.calibration
    at_threshold = {name: evaluation.rates[name] for name in ("precision", "recall", "f1")}
    reviews = {
        "reviews_per_day": evaluation.reviews_per_day,
        "review_threshold": evaluation.threshold,
        "card_recall": evaluation.card_recall,
    }
    promised = {
        "expected_calibration_error": measured.expected_calibration_error,
        "brier_score": measured.brier,
        "log_loss": measured.log_loss,
        "expected_over_observed_frauds": measured.expected_over_observed,
    }
    return [
        _group("Ranking", [*_figures(evaluation.metrics), _precision_recall(assessment)]),
        _group("Reviews", [*_numbers(reviews), *_figures(at_threshold), _confusion(assessment)]),
        _group("Calibration", _numbers(promised)),
        _group("Recall by fraud scenario", _recalls("scenario", evaluation.scenarios)),
        _group(
            "Recall by customer segment",
            [
                *(
                    bar
                    for kind, each in evaluation.segments.items()
                    for bar in _recalls(kind, each)
                ),
                *_numbers({"difference_beyond_chance": evaluation.bias}),
            ],
        ),
        _group("Features", _importances(assessment)),
    ]


def _group(name: str, data: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "metric_data": list(data)}


def _numbers(values: Mapping[str, float]) -> list[dict[str, Any]]:
    return [{"name": name, "type": "number", "value": value} for name, value in values.items()]


def _figures(metrics: Mapping[str, Metric]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "type": "number",
            "value": metric.value,
            "notes": f"standard deviation {metric.standard_deviation:.4f}"
            + (f", in {CURRENCY}" if name == "saved_amount" else ""),
        }
        for name, metric in metrics.items()
    ]


def _recalls(kind: str, groups: Iterable[Group]) -> list[dict[str, Any]]:
    known = [group for group in groups if group.recall is not None][:BARS]
    names = [group.name for group in known]
    values = [group.recall.value for group in known if group.recall is not None]
    return _bars(f"recall by {kind}", names, values, "recall") if known else []


def _importances(assessment: Assessment) -> list[dict[str, Any]]:
    shown = list(assessment.importances)[:BARS]
    return _bars(
        "mean size of a feature's contribution",
        [each.feature for each in shown],
        [each.mean_contribution for each in shown],
        "log-odds",
    )


def _bars(name: str, names: list[str], values: list[float], axis: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "type": "bar_chart",
            "value": values,
            "x_axis_name": [each[:AXIS_NAME_LIMIT] for each in names],
            "y_axis_name": axis,
        }
    ]


def _precision_recall(assessment: Assessment) -> dict[str, Any]:
    curve = curves(assessment.evaluation.scored)["precision_recall_curve"]
    points = zip(curve["recalls"], curve["precisions"], strict=True)
    return {
        "name": "precision_recall_curve",
        "type": "linear_graph",
        "value": [[round(x, 6), round(y, 6)] for x, y in points][::CURVE_STEP],
        "x_axis_name": "recall",
        "y_axis_name": "precision",
    }


def _confusion(assessment: Assessment) -> dict[str, Any]:
    counts = assessment.evaluation.decisions.confusion()
    return {
        "name": "confusion_matrix",
        "type": "matrix",
        "value": [
            [counts.true_negatives, counts.false_positives],
            [counts.false_negatives, counts.true_positives],
        ],
        "x_axis_name": ["called genuine", "called fraud"],
        "y_axis_name": ["genuine", "fraud"],
    }


def _details(assessment: Assessment) -> dict[str, str]:
    metadata, artifact = assessment.metadata, assessment.artifact
    details = {
        "feature_schema_version": metadata.feature_schema_version,
        "features": str(len(metadata.feature_names)),
        "rounds": str(metadata.rounds),
    }
    if artifact is not None:
        details["model_digest"] = artifact.digest
        details["model_sha256"] = artifact.sha256
        details["size_mib"] = f"{artifact.size:.3f}"
        details["latency_milliseconds"] = f"{artifact.latency:.3f}"
    return details
