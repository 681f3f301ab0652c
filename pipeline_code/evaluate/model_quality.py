"""An evaluation in the form of SageMaker's model quality report, which the registry displays.

Figures are `{"value": ..., "standard_deviation": ...}`. Its own names are used where it has one;
the metrics that it does not know stand beside them in the same form.
"""

from dataclasses import asdict
from typing import Any

from pipeline_code.evaluate.evaluation import Evaluation
from pipeline_code.quality.curves import curves

__all__ = ["binary_classification_metrics"]


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
