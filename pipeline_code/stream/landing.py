"""Firehose's transformation: a stream's events become rows of one of the lake's data sets.

Guarantees:
    A row lands in the folder of its own day, however late it comes.
    A record that breaks a rule is neither lost nor landed: Firehose keeps it, with its errors. It
    is the business of the data set that it names; without a type, of the transactions.
"""

import base64
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.data_classes import (
    KinesisFirehoseDataTransformationRecord as Outcome,
)
from aws_lambda_powertools.utilities.data_classes import (
    KinesisFirehoseDataTransformationRecordMetadata as OutcomeMetadata,
)
from aws_lambda_powertools.utilities.data_classes import (
    KinesisFirehoseDataTransformationResponse,
    KinesisFirehoseEvent,
)
from aws_lambda_powertools.utilities.data_classes.kinesis_firehose_event import (
    KinesisFirehoseRecord,
)

from pipeline_code.common.fields import FieldError, json_object
from pipeline_code.common.schema import DATASETS, Dataset
from pipeline_code.stream.events import FRAUD_REPORT, Event, Transaction, is_probe, parse

__all__ = ["dataset_named", "transform"]

LOGGER = logging.getLogger(__name__)

_TRANSACTIONS, _FRAUD_REPORTS, _ = DATASETS


def dataset_named(name: str) -> Dataset:
    """The data set whose rows are wanted.

    Raises:
        ValueError: Events become no rows of it.
    """
    for dataset in (_TRANSACTIONS, _FRAUD_REPORTS):
        if dataset.name == name:
            return dataset
    raise ValueError(
        f"dataset must be {_TRANSACTIONS.name} or {_FRAUD_REPORTS.name}, got {name}; "
        "nothing else lands by the stream"
    )


def transform(event: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
    """Answers one invocation by Firehose: rows, their days, and what is dropped or refused."""
    outcomes = [_outcome(record, dataset) for record in KinesisFirehoseEvent(dict(event)).records]
    failed = sum(outcome.result == "ProcessingFailed" for outcome in outcomes)
    if failed:
        LOGGER.warning("records refused", extra={"count": failed})
    answer: dict[str, Any] = KinesisFirehoseDataTransformationResponse(outcomes).asdict()
    return answer


def _outcome(record: KinesisFirehoseRecord, dataset: Dataset) -> Outcome:
    data = record.data_as_bytes
    arrived = datetime.fromtimestamp(record.approximate_arrival_timestamp / 1000, UTC)
    try:
        event = parse(data, arrived)
    except FieldError:
        if _named_by(data) is dataset:
            return Outcome(record_id=record.record_id, result="ProcessingFailed", data=record.data)
        return Outcome(record_id=record.record_id, result="Dropped", data=record.data)
    if _of(event) is not dataset or is_probe(data):
        return Outcome(record_id=record.record_id, result="Dropped", data=record.data)
    day = getattr(event, str(dataset.time)).date().isoformat()
    return Outcome(
        record_id=record.record_id,
        data=base64.b64encode(_row(event)).decode(),
        metadata=OutcomeMetadata(partition_keys={str(dataset.partition): day}),
    )


def _of(event: Event) -> Dataset:
    return _TRANSACTIONS if isinstance(event, Transaction) else _FRAUD_REPORTS


def _named_by(data: bytes) -> Dataset:
    """The data set that a record which breaks a rule was meant for."""
    try:
        kind = json_object(data, "event").get("type")
    except FieldError:
        return _TRANSACTIONS
    return _FRAUD_REPORTS if kind == FRAUD_REPORT else _TRANSACTIONS


def _row(event: Event) -> bytes:
    """The row as JSON, its times in a form that Firehose's OpenX SerDe reads."""
    row = {
        name: f"{value:%Y-%m-%dT%H:%M:%S.%f}Z" if isinstance(value, datetime) else value
        for name, value in asdict(event).items()
    }
    return json.dumps(row, separators=(",", ":")).encode()
