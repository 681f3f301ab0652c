"""The four kinds of monitoring, by SageMaker's names for them, and what each is called where."""

from enum import StrEnum

__all__ = ["LABELS", "REPORTS_PREFIX", "MonitorKind"]

# What stands for the job that brings labels where a kind is named: it is of none.
LABELS = "labels"
# Of the artifacts bucket: below it, a folder an endpoint.
REPORTS_PREFIX = "monitoring/reports/"


class MonitorKind(StrEnum):
    """What an analysis looks for.

    The value is a folder's name below baselines and reports, a dimension of the metrics, and what
    people type.
    """

    DATA_QUALITY = "data-quality"
    MODEL_QUALITY = "model-quality"
    BIAS = "bias"
    ATTRIBUTION = "attribution"

    @property
    def needs_labels(self) -> bool:
        """Whether it has to wait for fraud reports."""
        return self in (MonitorKind.MODEL_QUALITY, MonitorKind.BIAS)

    @property
    def is_clarifys(self) -> bool:
        """Whether its documents have the form of SageMaker Clarify's, not of Model Monitor's."""
        return self in (MonitorKind.BIAS, MonitorKind.ATTRIBUTION)
