"""An assessment as pictures: PNG files that are the same bytes for the same figures."""

from collections.abc import Callable, Mapping
from io import BytesIO
from types import MappingProxyType
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter
from sklearn.metrics import precision_recall_curve

from pipeline_code.evaluate.assessment import Assessment
from pipeline_code.evaluate.groups import Group
from pipeline_code.quality.metrics import average_precision
from pipeline_code.quality.reviews import CardDays, ReviewOutcome, cost_curve
from pipeline_code.quality.scored import Floats, ScoredRows

__all__ = ["TITLES", "draw"]

# Told apart by people who see few colours, and in print.
MODEL, CHAMPION, OTHER, GRID = "#1f5fa8", "#d97706", "#9aa5b1", "#e3e7ec"
PALE_MODEL, PALE_OTHER, INK = "#8db8e2", "#c5cdd6", "#1b2733"
IMPORTANCES_SHOWN = 15
HISTOGRAM_BINS = 60
LEAST_SCORE = 1e-5
SCORE_TICKS = (0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)

STYLE: Mapping[str, Any] = MappingProxyType(
    {
        "axes.axisbelow": True,
        "axes.edgecolor": OTHER,
        "axes.grid": True,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 12,
        "axes.titleweight": "bold",
        "figure.constrained_layout.use": True,
        "figure.dpi": 110,
        "figure.figsize": (7.2, 4.6),
        "font.size": 10,
        "grid.color": GRID,
        "legend.frameon": False,
        "lines.linewidth": 2.0,
        "xtick.color": "#3d4852",
        "ytick.color": "#3d4852",
    }
)

Plot = Callable[[Axes, Assessment], None]


def draw(assessment: Assessment) -> dict[str, bytes]:
    """Every plot as a PNG file's content, by name."""
    with matplotlib.style.context(["default", dict(STYLE)]):
        return {name: _png(plot, assessment) for name, plot in _PLOTS.items()}


def _png(plot: Plot, assessment: Assessment) -> bytes:
    figure = Figure()
    FigureCanvasAgg(figure)
    plot(figure.subplots(), assessment)
    content = BytesIO()
    # Without the note of the library's version that there would be.
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def _precision_recall(axes: Axes, assessment: Assessment) -> None:
    scored, rates = assessment.evaluation.scored, assessment.evaluation.rates
    if assessment.rival is not None:
        _pr_curve(axes, assessment.rival, "champion", CHAMPION, "--")
    _pr_curve(axes, scored, "this model", MODEL, "-")
    axes.plot(
        [rates["recall"].value],
        [rates["precision"].value],
        "o",
        color=MODEL,
        markersize=8,
        label=f"review threshold {assessment.evaluation.threshold:.4f}",
    )
    axes.axhline(float(np.mean(scored.labels)), color=OTHER, linestyle=":", label="without a model")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(loc="best")


def _pr_curve(axes: Axes, scored: ScoredRows, name: str, color: str, line: str) -> None:
    precisions, recalls, _ = precision_recall_curve(scored.labels, scored.scores)
    label = f"{name}, average precision {average_precision(scored):.3f}"
    axes.step(recalls, precisions, where="post", color=color, linestyle=line, label=label)


def _calibration(axes: Axes, assessment: Assessment) -> None:
    measured = assessment.evaluation.calibration
    bins = [each for each in measured.bins if each.fraud_rate > 0]
    scores = np.array([each.mean_score for each in bins])
    rates = np.array([each.fraud_rate for each in bins])
    rows = np.array([each.rows for each in bins])
    spread = np.sqrt(rates * (1 - rates) / rows)
    least = min(scores.min(), (rates - spread)[rates > spread].min(initial=1.0)) / 2
    # An error bar down to zero has no end on this scale.
    below = np.minimum(spread, rates * 0.9)
    axes.plot([least, 1], [least, 1], color=OTHER, linestyle=":", label="as promised")
    axes.errorbar(
        scores,
        rates,
        yerr=[below, spread],
        fmt="o-",
        color=MODEL,
        ecolor=OTHER,
        capsize=3,
        label=f"this model, error {measured.expected_calibration_error:.4f}",
    )
    axes.set(
        xlabel="mean score of the bin",
        ylabel="part that were frauds",
        xscale="log",
        yscale="log",
        xlim=(least, 1.2),
        ylim=(least, 1.2),
    )
    axes.legend(loc="upper left")


def _cost(axes: Axes, assessment: Assessment) -> None:
    evaluation = assessment.evaluation
    if assessment.rival is not None:
        capacities = [point.per_day for point in evaluation.cost_curve]
        points = cost_curve(CardDays.of(assessment.rival), capacities)
        axes.plot(*_saved(points), "s--", color=CHAMPION, markersize=4, label="champion")
    axes.plot(*_saved(evaluation.cost_curve), "o-", color=MODEL, markersize=5, label="this model")
    axes.axvline(
        evaluation.reviews_per_day,
        color=OTHER,
        linestyle=":",
        label=f"{evaluation.reviews_per_day} reviews a day",
    )
    axes.set(xlabel="cards reviewed a day", ylabel="part of the fraud amount saved", xscale="log")
    axes.set_ylim(0, 1.02)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.legend(loc="lower right")


def _saved(points: Any) -> tuple[list[int], list[float]]:
    curve: list[ReviewOutcome] = list(points)
    return [point.per_day for point in curve], [point.saved_share for point in curve]


def _importance(axes: Axes, assessment: Assessment) -> None:
    shown = list(assessment.importances)[:IMPORTANCES_SHOWN][::-1]
    sizes = [each.mean_contribution for each in shown]
    axes.barh([each.feature for each in shown], sizes, color=MODEL, height=0.7)
    axes.set(xlabel="mean size of its contribution, in log-odds (TreeSHAP)")
    axes.grid(visible=False, axis="y")


def _scores(axes: Axes, assessment: Assessment) -> None:
    scored = assessment.evaluation.scored
    logits = _log_odds(scored.scores)
    edges = np.linspace(logits.min(), logits.max() + 1e-9, HISTOGRAM_BINS + 1)
    for label, name, color in ((0, "genuine", OTHER), (1, "frauds", CHAMPION)):
        axes.hist(
            logits[scored.labels == label], edges.tolist(), color=color, alpha=0.75, label=name
        )
    threshold = float(_log_odds(np.array([assessment.evaluation.threshold]))[0])
    axes.axvline(threshold, color=MODEL, linestyle="--", label="review threshold")
    axes.set_xticks(_log_odds(np.array(SCORE_TICKS)), [f"{score:g}" for score in SCORE_TICKS])
    axes.set(xlabel="score", ylabel="transactions", yscale="log", xlim=(edges[0], edges[-1]))
    axes.legend(loc="upper right")


def _log_odds(scores: Floats) -> Floats:
    inside = np.clip(scores, LEAST_SCORE, 1 - LEAST_SCORE)
    odds: Floats = np.log(inside / (1 - inside))
    return odds


def _groups(axes: Axes, assessment: Assessment) -> None:
    evaluation = assessment.evaluation
    kinds = {"scenario": evaluation.scenarios, **evaluation.segments}
    bars = [
        (f"{kind}: {group.name}", group, PALE_MODEL if kind == "scenario" else PALE_OTHER)
        for kind, groups in kinds.items()
        for group in groups
        if group.recall is not None
    ][::-1]
    axes.barh(
        [name for name, _, _ in bars],
        [_recall(group) for _, group, _ in bars],
        xerr=[group.recall.standard_deviation if group.recall else 0.0 for _, group, _ in bars],
        color=[color for _, _, color in bars],
        ecolor=INK,
        height=0.7,
        capsize=3,
    )
    for index, (_, group, _) in enumerate(bars):
        axes.text(0.01, index, f"{group.frauds} frauds", va="center", color=INK, fontsize=8)
    axes.set(xlabel="recall at the review threshold", xlim=(0, 1.05))
    axes.grid(visible=False, axis="y")


def _recall(group: Group) -> float:
    return 0.0 if group.recall is None else group.recall.value


_PLOTS: Mapping[str, Plot] = MappingProxyType(
    {
        "precision_recall": _precision_recall,
        "cost": _cost,
        "calibration": _calibration,
        "importance": _importance,
        "scores": _scores,
        "groups": _groups,
    }
)

# What each plot shows, in the order in which the report has them.
TITLES: Mapping[str, str] = MappingProxyType(
    {
        "precision_recall": "Precision and recall",
        "cost": "Amount saved against reviews spent",
        "calibration": "Promised and observed frauds",
        "importance": "What the model decides by",
        "scores": "Scores of frauds and of genuine transactions",
        "groups": "Recall by fraud scenario and customer segment",
    }
)
