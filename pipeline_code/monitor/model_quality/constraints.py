"""Constraints of model quality in Model Monitor's form: suggested, and read (`constraints.json`).

    {"binary_classification_constraints": {"recall": {
        "threshold": 0.52, "comparison_operator": "LessThanThreshold",
        "additional_properties": {"sampling_noise": 0.11, "frauds": 140}}}}

A threshold is meant for as many frauds as the baseline has; fewer say less, so that it is then
taken farther away by the noise beside it. The file may be edited: a metric that is left out is not
held against anything, and a threshold without noise is held as it stands.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pipeline_code.common.exits import BadInput
from pipeline_code.quality.metrics import Metric

__all__ = ["ABOVE", "BELOW", "Constraint", "Constraints", "suggest"]

BELOW, ABOVE = "LessThanThreshold", "GreaterThanThreshold"
SECTION = "binary_classification_constraints"

# How many deviations two quiet weeks may be apart.
WIDTH = 3.0
# The part of the baseline's figure that is never called a loss, however sure the baseline is of it:
# from week to week other frauds are in fashion.
LEAST_LOSS = 0.25
# Frauds come in campaigns, at one terminal or with one card, that a model finds or misses together.
FRAUDS_OF_CAMPAIGN = 4
# Mean distance of score and fraud rate that nobody has to care about, likewise.
LEAST_EXCESS = 0.005
# Fewer judged predictions, or frauds among them, say nothing.
MINIMUM_RECORDS, MINIMUM_FRAUDS = 200, 10
# Nor do fewer frauds than tell a model that keeps only this part of its skill.
KEPT_SKILL = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """What one metric is held against.

    Attributes:
        below: Whether it is broken by what is below the threshold; by what is above, otherwise.
        noise: How far the threshold moves away for each deviation more that fewer frauds bring.
        frauds: How many frauds the threshold is meant for.
    """

    metric: str
    threshold: float
    below: bool
    noise: float = 0.0
    frauds: int = 0

    @property
    def operator(self) -> str:
        """Model Monitor's name of the comparison."""
        return BELOW if self.below else ABOVE

    def threshold_for(self, frauds: int) -> float:
        """The threshold for so many frauds."""
        if not self.noise or not self.frauds or frauds >= self.frauds:
            return self.threshold
        # Deviations fall with the root of the frauds; those of both weeks add as squares do.
        farther = self.noise * (math.sqrt(1 + self.frauds / frauds) - math.sqrt(2))
        # No figure is negative: so few frauds cannot show this loss.
        return max(self.threshold - farther, 0.0) if self.below else self.threshold + farther

    def is_broken(self, value: float, frauds: int) -> bool:
        """Whether a figure of so many frauds breaks it."""
        threshold = self.threshold_for(frauds)
        return value < threshold if self.below else value > threshold

    def document(self) -> dict[str, Any]:
        """The entry of `constraints.json`."""
        return {
            "threshold": self.threshold,
            "comparison_operator": self.operator,
            "additional_properties": {"sampling_noise": self.noise, "frauds": self.frauds},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """A whole `constraints.json`.

    Attributes:
        minimum_records: With fewer judged predictions nothing is said.
        minimum_frauds: With fewer frauds among them nothing is said.
        threshold: The score from which on a prediction counts as a fraud if the endpoint did not
            decide.
        reviewed_share: The part of a day's cards that are reviewed.
    """

    of_metrics: tuple[Constraint, ...]
    minimum_records: int
    minimum_frauds: int
    threshold: float
    reviewed_share: float

    def document(self) -> dict[str, Any]:
        """The document."""
        return {
            "version": 0.0,
            SECTION: {each.metric: each.document() for each in self.of_metrics},
            "monitoring_config": {
                "evaluate_constraints": "Enabled",
                "emit_metrics": "Enabled",
                "minimum_records": self.minimum_records,
                "minimum_frauds": self.minimum_frauds,
                "review_threshold": self.threshold,
                "reviewed_share": self.reviewed_share,
            },
        }

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Reads the document.

        Raises:
            BadInput: It is not of the documented form.
        """
        try:
            config = document["monitoring_config"]
            return cls(
                of_metrics=tuple(_parsed(*item) for item in document[SECTION].items()),
                minimum_records=int(config.get("minimum_records", MINIMUM_RECORDS)),
                minimum_frauds=max(1, int(config.get("minimum_frauds", MINIMUM_FRAUDS))),
                threshold=float(config["review_threshold"]),
                reviewed_share=float(config["reviewed_share"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInput(
                "model quality constraints must have the form that evaluation writes, got none at "
                f"{error}; take the constraints.json of a model package's evaluation"
            ) from error


def _parsed(metric: str, entry: Any) -> Constraint:
    operator = entry["comparison_operator"]
    if operator not in (BELOW, ABOVE):
        raise BadInput(
            f"comparison_operator of {metric} must be {BELOW} or {ABOVE}, got {operator!r}"
        )
    more = entry.get("additional_properties") or {}
    return Constraint(
        metric=metric,
        threshold=float(entry["threshold"]),
        below=operator == BELOW,
        noise=float(more.get("sampling_noise", 0.0)),
        frauds=int(more.get("frauds", 0)),
    )


def suggest(
    figures: Mapping[str, Metric], *, frauds: int, threshold: float, reviewed_share: float
) -> Constraints:
    """The constraints that the baseline's own figures suggest, with their deviations.

    Args:
        figures: Of the baseline.
        frauds: How many there are in it.
        threshold: The score from which on a transaction is reviewed.
        reviewed_share: The part of a day's cards that people look at; with all of them, how many of
            them are compromised says nothing of the model.
    """
    names = ["average_precision", "auc", "recall", "precision", "f1"]
    names += ["card_precision"] if reviewed_share < 1 else []
    made = [_skill(name, figures[name], frauds) for name in names]
    made.append(_calibration(figures, frauds))
    return Constraints(
        of_metrics=tuple(made),
        minimum_records=MINIMUM_RECORDS,
        minimum_frauds=_minimum_frauds(made, figures, frauds),
        threshold=threshold,
        reviewed_share=reviewed_share,
    )


def _skill(name: str, figure: Metric, frauds: int) -> Constraint:
    """A figure that must not fall."""
    noise = WIDTH * max(figure.standard_deviation, _least_deviation(figure.value, frauds))
    margin = max(LEAST_LOSS * figure.value, math.sqrt(2) * noise)
    threshold = max(figure.value - margin, 0.0)
    return _constraint(name, threshold, noise, frauds, below=True)


def _calibration(figures: Mapping[str, Metric], frauds: int) -> Constraint:
    """The calibration error must not rise by more than the fraud rate itself may have moved."""
    name = "calibration_error"
    figure, prevalence = figures[name], figures["prevalence"].value
    scatter = prevalence / math.sqrt(max(frauds / FRAUDS_OF_CAMPAIGN, 1.0))
    noise = WIDTH * max(figure.standard_deviation, scatter)
    threshold = figure.value + max(LEAST_EXCESS, math.sqrt(2) * noise)
    return _constraint(name, threshold, noise, frauds, below=False)


def _constraint(
    name: str, threshold: float, noise: float, frauds: int, *, below: bool
) -> Constraint:
    return Constraint(
        metric=name,
        threshold=round(threshold, 6),
        below=below,
        noise=round(noise, 6),
        frauds=frauds,
    )


def _least_deviation(value: float, frauds: int) -> float:
    """How far a mean over so many frauds, of what is between 0 and 1, is from certain.

    A bootstrap over cards knows nothing of campaigns at terminals, and has no deviation at all if
    few frauds were all found. So campaigns are counted, and four of them imagined besides, two of
    each kind (Agresti and Coull's interval).
    """
    campaigns = frauds / FRAUDS_OF_CAMPAIGN
    part = (value * campaigns + 2) / (campaigns + 4)
    return math.sqrt(part * (1 - part) / (campaigns + 4))


def _minimum_frauds(
    constraints: list[Constraint], figures: Mapping[str, Metric], frauds: int
) -> int:
    """The fewest frauds with which a model that lost most of its skill is told by any metric.

    Never more than the baseline has, with which it is compared.
    """
    prevalence, precision, recall = (
        figures[name].value for name in ("prevalence", "precision", "recall")
    )
    # Whoever flags as many transactions at random finds that part of the frauds.
    flagged = recall * prevalence / precision if precision else 0.0
    unskilled = {"average_precision": prevalence, "auc": 0.5, "recall": flagged}
    told = {
        name: least + KEPT_SKILL * (figures[name].value - least)
        for name, least in unskilled.items()
    }
    ranked = [each for each in constraints if each.metric in told]
    for fewest in range(MINIMUM_FRAUDS, frauds):
        if any(each.threshold_for(fewest) >= told[each.metric] for each in ranked):
            return fewest
    return max(MINIMUM_FRAUDS, frauds)
