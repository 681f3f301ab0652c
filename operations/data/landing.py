"""Waiting until the stream's events lie in the lake, where Firehose brings them."""

import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from operations import progress
from operations.data.events import Stream
from operations.errors import OperationError
from operations.target import Target
from operations.waiting import looks
from pipeline_code.common.schema import DATASETS, Dataset
from pipeline_code.contracts.outputs import Output


def await_landed(target: Target, events: Stream, *, timeout_seconds: float = 1500.0) -> None:
    """Wait until every event is a row of the lake, whatever file it is in.

    Raises:
        OperationError: If it takes too long.
    """
    s3, bucket = target.client("s3"), target.output(Output.RAW_BUCKET)
    missing = [
        _MissingEvents(s3, bucket, dataset, getattr(events, dataset.name))
        for dataset in DATASETS
        if dataset.time is not None
    ]
    total = events.transactions.num_rows + events.fraud_reports.num_rows
    for _ in looks(timeout_seconds):
        left = sum(each.look() for each in missing)
        progress.count("landed in the lake", total - left, total, "events")
        if left == 0:
            return
    raise OperationError(
        f"every event must land within {timeout_seconds:.0f} s, got {left} missing in "
        f"s3://{bucket}; see the deliveries' alarms, their logs, and quarantine/firehose/"
    )


class _MissingEvents:
    """One data set's events that were not found in the lake yet; every file is read once."""

    def __init__(self, s3: Any, bucket: str, dataset: Dataset, events: pa.Table) -> None:
        self._s3, self._bucket, self._dataset = s3, bucket, dataset
        self._ids = events["transaction_id"].combine_chunks()
        days = pc.unique(pc.strftime(events[dataset.time], format="%Y-%m-%d"))
        self._folders = [f"{dataset.name}/{dataset.partition}={day}/" for day in days.to_pylist()]
        self._seen: set[str] = set()

    def look(self) -> int:
        """Looks for what is missing; how many still are."""
        if len(self._ids):
            for key in self._new_files():
                body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
                found = pq.read_table(io.BytesIO(body), columns=["transaction_id"])
                here = found["transaction_id"].combine_chunks()
                self._ids = self._ids.filter(pc.invert(pc.is_in(self._ids, value_set=here)))
                self._seen.add(key)
        return len(self._ids)

    def _new_files(self) -> Iterator[str]:
        pages = self._s3.get_paginator("list_objects_v2")
        for folder in self._folders:
            for page in pages.paginate(Bucket=self._bucket, Prefix=folder):
                for item in page.get("Contents", []):
                    if item["Key"].endswith(".parquet") and item["Key"] not in self._seen:
                        yield item["Key"]
