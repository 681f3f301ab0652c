"""The environment's own CloudWatch metrics: their names and dimensions."""

from enum import StrEnum
from typing import Final

__all__ = ["FEATURE_JOB", "Dimension", "MetricName"]

# What the job that computes features is called as a service, beside the functions.
FEATURE_JOB: Final = "compute_features"


class Dimension(StrEnum):
    """What a metric is of."""

    # As AWS calls it in SageMaker's own namespaces. Of a batch, the name of its pipeline.
    ENDPOINT = "EndpointName"
    MODEL_VERSION = "ModelVersion"
    MONITOR = "Monitor"
    FEATURE = "Feature"
    SEGMENT = "Segment"
    FIGURE = "Metric"
    REASON = "Reason"


class MetricName(StrEnum):
    """What is counted or measured."""

    # By the server, for each version of the model.
    ANSWERS = "Answers"
    REQUESTS = "Requests"
    DEGRADED = "Degraded"
    FLAGGED = "Flagged"
    FAILED_ANSWERS = "FailedAnswers"
    SCORE = "Score"
    FEATURE_MILLISECONDS = "FeatureMilliseconds"
    MODEL_MILLISECONDS = "ModelMilliseconds"
    REST_MILLISECONDS = "RestMilliseconds"
    # By all that reads and writes the online store.
    STORE_THROTTLES = "StoreThrottles"
    # By the consumers of the streams.
    CONSUMED_RECORDS = "ConsumedRecords"
    QUARANTINED_RECORDS = "QuarantinedRecords"
    FAILED_RECORDS = "FailedRecords"
    # By the monitors, and the job that brings labels.
    MONITORED_RECORDS = "MonitoredRecords"
    DEGRADED_RECORDS = "DegradedRecords"
    VIOLATIONS = "Violations"
    LABEL_MATURITY = "LabelMaturity"
    UNMET_REPORTS = "UnmetReports"
    ANALYSES_FAILED = "AnalysesFailed"
    FEATURE_DRIFT = "FeatureDrift"
    FEATURE_JENSEN_SHANNON = "FeatureJensenShannon"
    FEATURE_KOLMOGOROV_SMIRNOV = "FeatureKolmogorovSmirnov"
    FEATURE_CATEGORICAL_DISTANCE = "FeatureCategoricalDistance"
    MODEL_QUALITY = "ModelQuality"
    BIAS_DIFFERENCE = "BiasDifference"
    ATTRIBUTION_RANK = "AttributionRank"
    ATTRIBUTION_SHIFT = "AttributionShift"
    # By the parity audit.
    PARITY_ROWS = "ParityRows"
    PARITY_MISMATCH_RATE = "ParityMismatchRate"
    PARITY_DEFECTS = "ParityDefects"
    PARITY_LATE = "ParityLate"
    PARITY_DEGRADED = "ParityDegraded"
    # By the functions that deploy and retrain.
    FAILED_DEPLOYMENTS = "FailedDeployments"
    CHAMPION_AGE_DAYS = "ChampionAgeDays"
    RETRAININGS_STARTED = "RetrainingsStarted"
    RETRAININGS_DECLINED = "RetrainingsDeclined"
    RETRAININGS_FAILED = "RetrainingsFailed"
    RETRAINING_EVENTS_FAILED = "RetrainingEventsFailed"
    UNCURED_DRIFTS = "UncuredDrifts"
