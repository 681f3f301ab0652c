"""The tables of the report: what the plots show, in figures."""

from collections.abc import Sequence

from pipeline_code.common.money import CURRENCY
from pipeline_code.evaluate.evaluation import Evaluation
from pipeline_code.evaluate.groups import Group
from pipeline_code.quality.importance import Importance
from pipeline_code.quality.metrics import Metric
from pipeline_code.quality.page import paragraph, section, table

__all__ = ["bias", "calibration", "cost", "groups", "importances", "number", "with_deviation"]

GROUP_COLUMNS = (
    "group",
    "transactions",
    "frauds",
    f"{CURRENCY} of fraud",
    "recall",
    "deviation",
    "amount caught",
    "false positives",
)


def cost(evaluation: Evaluation) -> str:
    """What some numbers of reviews a day bring."""
    return section(
        "Amount saved against reviews spent",
        table(
            ["cards reviewed a day", "find a fraud", "cards found", f"{CURRENCY} saved", "share"],
            [
                (
                    point.per_day,
                    f"{point.card_precision:.1%}",
                    f"{point.found.sum():.0f}",
                    f"{point.as_dict()['saved_amount']:,.2f}",
                    f"{point.saved_share:.1%}",
                )
                for point in evaluation.cost_curve
            ],
        ),
    )


def groups(evaluation: Evaluation) -> str:
    """Detection by fraud scenario and customer segment."""
    kinds = {"scenario": evaluation.scenarios, **evaluation.segments}
    return section(
        "By fraud scenario and customer segment",
        table(
            GROUP_COLUMNS,
            [
                (f"{kind}: {group.name}", *_group(group))
                for kind, members in kinds.items()
                for group in members
            ],
        ),
    )


def _group(group: Group) -> tuple[str, ...]:
    recall = ("", "") if group.recall is None else with_deviation(group.recall)
    caught, wrong = group.caught_amount_share, group.false_positive_rate
    return (
        f"{group.rows:,}",
        f"{group.frauds:,}",
        f"{group.fraud_amount:,.2f}",
        *recall,
        "" if caught is None else f"{caught:.1%}",
        "" if wrong is None else f"{wrong.value:.4f}",
    )


def bias(evaluation: Evaluation) -> str:
    """The differences in recall between customer segments."""
    return section(
        "Equal opportunity",
        paragraph(
            f"Beyond chance, recall differs by {evaluation.bias:.4f} between customer segments. "
            "Only segments with enough frauds are compared."
        ),
        table(
            ["kind", "best", "worst", "difference", "95 % from", "to"],
            [
                (
                    each.kind,
                    each.best,
                    each.worst,
                    f"{each.recall_difference:.4f}",
                    f"{each.interval.low:.4f}",
                    f"{each.interval.high:.4f}",
                )
                for each in evaluation.differences
            ],
        ),
    )


def calibration(evaluation: Evaluation) -> str:
    """What the scores promised, and what came."""
    measured = evaluation.calibration
    return section(
        "Calibration",
        paragraph(
            f"Expected calibration error {measured.expected_calibration_error:.5f}, of which "
            f"{measured.by_chance:.5f} would be chance; Brier score {measured.brier:.5f}, log loss "
            f"{measured.log_loss:.5f}. The scores promise {measured.expected_frauds:.1f} frauds, "
            f"{measured.observed_frauds} came: {measured.expected_over_observed:.2f} times."
        ),
        table(
            ["transactions", "mean score", "part that were frauds"],
            [
                (each.rows, f"{each.mean_score:.6f}", f"{each.fraud_rate:.6f}")
                for each in measured.bins
            ],
        ),
    )


def importances(found: Sequence[Importance]) -> str:
    """Every feature, the one that matters most first."""
    return section(
        "Features",
        paragraph("The mean size of each feature's contribution to a score, in log-odds."),
        table(
            ["feature", "contribution"],
            [(each.feature, f"{each.mean_contribution:.5f}") for each in found],
        ),
    )


def with_deviation(metric: Metric) -> tuple[str, str]:
    """A figure and how far it would move, as text."""
    return number(metric.value), number(metric.standard_deviation)


def number(value: float) -> str:
    """A figure as text."""
    return f"{value:,.4f}"
