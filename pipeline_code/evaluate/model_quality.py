"""An evaluation in the form of SageMaker's model quality report, which the registry displays.

Figures are `{"value": ..., "standard_deviation": ...}`. Its own names are used where it has one;
the metrics that it does not know stand beside them in the same form.
"""

from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import precision_recall_curve, roc_curve

from pipeline_code.evaluate.evaluation import Evaluation
from pipeline_code.evaluate.scored import Scored

__all__ = ["binary_classification_metrics", "curves"]

# More points than a plot shows would make the report slow to load.
CURVE_POINTS = 200


def binary_classification_metrics(evaluation: Evaluation) -> dict[str, Any]:
    """The section that SageMaker reads; the decisions are those at the review threshold."""
    confusion = evaluation.decisions.confusion()
    return {
        "confusion_matrix": {
            "0": {"0": int(confusion.true_negatives), "1": int(confusion.false_positives)},
            "1": {"0": int(confusion.false_negatives), "1": int(confusion.true_positives)},
        },
        **{name: asdict(rate) for name, rate in evaluation.rates.items()},
        # No resampling changes which constant is best by more than the share of frauds.
        **{
            f"{name}_best_constant_classifier": {"value": value, "standard_deviation": 0.0}
            for name, value in confusion.best_constant().items()
        },
        "auc": asdict(evaluation.metrics["auc_roc"]),
        **{name: asdict(metric) for name, metric in evaluation.metrics.items()},
        **curves(evaluation.scored),
    }


def curves(scored: Scored) -> dict[str, dict[str, list[float]]]:
    """Both curves, with as many points as a plot can show."""
    false_positives, true_positives, _ = roc_curve(scored.labels, scored.scores)
    precisions, recalls, _ = precision_recall_curve(
        scored.labels, scored.scores, drop_intermediate=True
    )
    return {
        "receiver_operating_characteristic_curve": {
            "false_positive_rates": _thinned(false_positives),
            "true_positive_rates": _thinned(true_positives),
        },
        "precision_recall_curve": {
            "precisions": _thinned(precisions),
            "recalls": _thinned(recalls),
        },
    }


def _thinned(values: npt.NDArray[np.float64]) -> list[float]:
    """Evenly many of the points, both ends included."""
    places = np.unique(np.linspace(0, len(values) - 1, CURVE_POINTS).round().astype(np.int64))
    return [float(value) for value in values[places]]
