"""The curves of a classifier, in the form of SageMaker's model quality report."""

import numpy as np
import numpy.typing as npt
from sklearn.metrics import precision_recall_curve, roc_curve

from pipeline_code.quality.scored import ScoredRows

__all__ = ["curves"]

# More points than a plot shows would make the report slow to load.
CURVE_POINTS = 200


def curves(scored: ScoredRows) -> dict[str, dict[str, list[float]]]:
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
    indices = np.unique(np.linspace(0, len(values) - 1, CURVE_POINTS).round().astype(np.int64))
    return [float(value) for value in values[indices]]
