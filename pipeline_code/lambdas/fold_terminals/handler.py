"""Folds the stream of events into terminals' states.

Contract:
    Event: a batch of the Kinesis stream that is partitioned by terminal; its records are those that
    `fold_customers` took.
    Environment: FEATURE_GROUP_PATTERN, QUARANTINE_BUCKET;
    STORE_READS_A_SECOND, if reads have a pace; POWERTOOLS_METRICS_NAMESPACE and
    POWERTOOLS_SERVICE_NAME name the metrics.
    Returns: {"batchItemFailures": [...]}, the records to deliver again: those whose terminal's
    state could not be folded.
    Needs: sagemaker:BatchGetRecord and BatchWriteRecord on the terminals' feature group,
    s3:PutObject below quarantine/stream/, and the key.
    Ships in the project's image.
"""

import os
from typing import Any

from pipeline_code.contracts.environment import read
from pipeline_code.features.definitions import TERMINAL
from pipeline_code.stream.folding import connected, consume
from pipeline_code.stream.settings import FoldSettings


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Lambda's entry."""
    settings = read(FoldSettings, os.environ)
    return consume(event, TERMINAL, settings, connected(settings.reads_per_second))
