"""What whoever starts a SageMaker pipeline gives it."""

import hashlib
from collections.abc import Iterable
from enum import StrEnum

__all__ = ["FINGERPRINTED_PREFIXES", "FeatureSource", "PipelineParameter", "fingerprint"]

# What a training pipeline's `DataVersion` is of.
FINGERPRINTED_PREFIXES = ("transactions/", "fraud_reports/")


class PipelineParameter(StrEnum):
    """A parameter of an execution."""

    # Of training.
    DATA_VERSION = "DataVersion"
    TRIGGER_REASON = "TriggerReason"
    TRIGGER_EVIDENCE = "TriggerEvidence"
    # Of batch scoring.
    MODEL = "ModelName"
    INPUT = "InputDataUri"
    OUTPUT = "OutputDataUri"
    FEATURE_SOURCE = "FeatureSource"
    # Of the job that brings labels, and of a monitor.
    LOOK_BACK_HOURS = "LookBackHours"
    ANALYSIS_HOURS = "AnalysisHours"


class FeatureSource(StrEnum):
    """What a batch's features are computed from."""

    AUTO = "auto"
    OFFLINE_STORE = "offline-store"
    LAKE = "lake"


def fingerprint(objects: Iterable[tuple[str, str]]) -> str:
    """A hash over the keys and entity tags of the objects below `FINGERPRINTED_PREFIXES`.

    The tags may come with the quotes that S3 puts around them.
    """
    lines = sorted(f"{key} {etag.strip(chr(34))}\n" for key, etag in objects)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:32]
