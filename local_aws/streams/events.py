"""The event that a function is invoked with: some of a stream's records."""

import base64
from collections.abc import Sequence
from typing import Any

from local_aws.settings import REGION
from local_aws.streams.record import Record

# Lambda's limit of a payload, and what a record takes in it beside its data.
PAYLOAD_BYTES = 6 * 1024 * 1024
RECORD_BYTES = 600


def stream_event(
    records: Sequence[Record], shard: str, stream_arn: str, role_arn: str
) -> dict[str, Any]:
    """The event of a shard's records, in order.

    Args:
        records: The records.
        shard: The shard's name.
        stream_arn: The stream.
        role_arn: The function's role.
    """
    common = {
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": role_arn,
        "awsRegion": REGION,
        "eventSourceARN": stream_arn,
    }
    return {
        "Records": [
            {**common, "kinesis": _record(record), "eventID": f"{shard}:{record.number}"}
            for record in records
        ]
    }


def _record(record: Record) -> dict[str, Any]:
    return {
        "kinesisSchemaVersion": "1.0",
        "partitionKey": record.key,
        "sequenceNumber": record.number,
        "data": base64.b64encode(record.data).decode(),
        "approximateArrivalTimestamp": record.arrival,
    }


def within_payload(records: list[Record]) -> list[Record]:
    """As many of the first records as one invocation takes, one at least."""
    total = 0
    for count, record in enumerate(records):
        total += len(record.data) * 4 // 3 + len(record.key) + RECORD_BYTES
        if total > PAYLOAD_BYTES and count > 0:
            return records[:count]
    return records
