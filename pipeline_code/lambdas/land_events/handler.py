"""Makes rows of the lake of the stream's events, for Firehose to write as Parquet.

Contract:
    Event: Firehose's transformation of records of the Kinesis stream of events.
    Environment: DATASET, `transactions` or `fraud_reports`: the rows that are wanted.
    Returns: {"records": [...]}: of the data set's events the row, with its day as a partition key;
    other events are dropped, and what breaks a rule has failed.
    Needs: nothing but its log.
    Ships in the project's image.
"""

import os
from collections.abc import Mapping
from typing import Any

from pipeline_code.stream.landing import dataset_named, transform


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Lambda's entry."""
    return transform(event, dataset_named(os.environ["DATASET"]))
