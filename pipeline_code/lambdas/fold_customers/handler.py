"""Folds the stream of events into customers' states, and puts each event onto the next stream.

Contract:
    Event: a batch of the Kinesis stream that is partitioned by customer
    (`pipeline_code.stream.events` says what its records hold).
    Environment: FEATURE_GROUP_PATTERN, QUARANTINE_BUCKET, TERMINAL_STREAM;
    STORE_READS_A_SECOND, if reads have a pace; POWERTOOLS_METRICS_NAMESPACE and
    POWERTOOLS_SERVICE_NAME name the metrics.
    Returns: {"batchItemFailures": [...]}, the records to deliver again: those whose customer's
    state could not be folded, and those that the terminals' stream did not take. A record that
    breaks a rule is stored in the quarantine bucket and is not among them.
    Needs: sagemaker:BatchGetRecord and BatchWriteRecord on the customers' feature group,
    s3:PutObject below quarantine/stream/, kinesis:PutRecords on the terminals' stream, and the key.
    Ships in the project's image.
"""

import os
from typing import Any

from pipeline_code.contracts.environment import read
from pipeline_code.features.definitions import CUSTOMER
from pipeline_code.stream.folding import connected, consume
from pipeline_code.stream.settings import FoldSettings


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Lambda's entry."""
    settings = read(FoldSettings, os.environ)
    return consume(event, CUSTOMER, settings, connected(settings.reads_per_second))
