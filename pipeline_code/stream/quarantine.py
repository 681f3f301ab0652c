"""Keeps records that break a rule, each with its reason, out of the way of the others.

    quarantine/stream/date=2018-08-01/<stream>-<shard>-<sequence number>.json

Guarantees:
    A record that is delivered again is stored once: its name says where it came from, nothing else.
"""

import base64
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pipeline_code.contracts.serving import JSON
from pipeline_code.stream.records import Record

__all__ = ["QUARANTINE_PREFIX", "key_of", "quarantine"]

QUARANTINE_PREFIX = "quarantine/stream/"
# Below the ten connections that a boto3 client keeps unless configured otherwise.
THREADS = 8


def quarantine(s3: Any, bucket: str, refused: Mapping[Record, str]) -> None:
    """Keeps the records with the reasons why they were refused."""

    def keep(record: Record) -> None:
        s3.put_object(
            Bucket=bucket,
            Key=key_of(record),
            Body=json.dumps(_document(record, refused[record]), indent=2).encode(),
            ContentType=JSON,
        )

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(keep, refused))


def key_of(record: Record) -> str:
    """Where a record is stored."""
    place = f"{record.stream}-{record.shard}-{record.sequence_number}"
    return f"{QUARANTINE_PREFIX}date={record.arrived:%Y-%m-%d}/{place}.json"


def _document(record: Record, reason: str) -> dict[str, str]:
    return {
        "reason": reason,
        "stream": record.stream,
        "shard": record.shard,
        "sequence_number": record.sequence_number,
        "arrived": record.arrived.isoformat(),
        "data_base64": base64.b64encode(record.data).decode(),
    }
