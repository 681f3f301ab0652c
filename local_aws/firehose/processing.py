"""A delivery stream's processors: its function, and what takes partition keys out of records."""

import base64
import json
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from local_aws.adapter.functions import mappings
from local_aws.firehose.items import PROCESSING_FAILED, DeliveryBlockedError, Failure, Item
from local_aws.firehose.permissions import function_denied
from local_aws.firehose.prefixes import Keys
from local_aws.firehose.queries import QueryError
from local_aws.firehose.settings import DeliverySettings, Transformation
from local_aws.settings import REGION

FIRST_WAIT_SECONDS = 0.2
# Lambda's limit of a payload, less than a third of which goes to base64 and the rest of a record.
MOST_BYTES = 4 * 1024 * 1024
# With partition keys, Firehose passes a function no more records than this.
MOST_PARTITIONED = 500

Processed = tuple[list[Item], list[Failure]]


def process(settings: DeliverySettings, items: Sequence[Item]) -> Processed:
    """Pass records through the processors.

    Returns:
        The records that are to be delivered, and those that failed; dropped ones are in neither.

    Raises:
        HeldUpError: If the function may not be invoked, or does not exist.
    """
    done, failed = list(items), []
    if settings.transformation is not None:
        done = []
        for batch in _batches(settings, settings.transformation, items):
            transformed, refused = _transform(settings, settings.transformation, batch)
            done += transformed
            failed += refused
    if settings.query is not None:
        done, refused = _query(settings, done)
        failed += refused
    return done, failed


def _batches(
    settings: DeliverySettings, function: Transformation, items: Sequence[Item]
) -> Iterator[list[Item]]:
    most = MOST_PARTITIONED if settings.partitioned else len(items)
    size, batch = 0, list[Item]()
    for item in items:
        full = size + len(item.data) > min(function.batch_bytes, MOST_BYTES)
        if batch and (full or len(batch) == most):
            yield batch
            size, batch = 0, []
        batch.append(item)
        size += len(item.data)
    if batch:
        yield batch


def _transform(
    settings: DeliverySettings, function: Transformation, batch: Sequence[Item]
) -> Processed:
    if (denied := function_denied(settings)) is not None:
        raise DeliveryBlockedError(denied)
    event, wait = _event(settings, batch), FIRST_WAIT_SECONDS
    for attempt in range(1, function.retries + 2):
        try:
            answer = mappings.invoke(function.function, event)
        except LookupError as error:
            raise DeliveryBlockedError(str(error)) from error
        if not answer.failed and not answer.throttled:
            return _outcomes(batch, answer.body, attempt)
        if attempt <= function.retries:
            time.sleep(wait)
            wait *= 2
    code = "Lambda.InvokeLimitExceeded" if answer.throttled else "Lambda.FunctionError"
    message = f"The function was invoked but it returned an error result: {answer.body}"
    return [], [
        Failure(item, PROCESSING_FAILED, code, message, function.retries + 1) for item in batch
    ]


def _event(settings: DeliverySettings, batch: Sequence[Item]) -> dict[str, Any]:
    event: dict[str, Any] = {
        "invocationId": str(uuid.uuid4()),
        "deliveryStreamArn": settings.arn,
        "region": REGION,
        "records": [_event_record(settings, item) for item in batch],
    }
    if settings.source is not None:
        event["sourceKinesisStreamArn"] = settings.source
    return event


def _event_record(settings: DeliverySettings, item: Item) -> dict[str, Any]:
    arrival = int(item.record.arrival * 1000)
    record: dict[str, Any] = {
        "recordId": item.record.number,
        "approximateArrivalTimestamp": arrival,
        "data": base64.b64encode(item.data).decode(),
    }
    if settings.source is not None:
        record["kinesisRecordMetadata"] = {
            "sequenceNumber": item.record.number,
            "subsequenceNumber": 0,
            "partitionKey": item.record.key,
            "shardId": item.shard,
            "approximateArrivalTimestamp": arrival,
        }
    return record


def _outcomes(batch: Sequence[Item], body: Any, attempts: int) -> Processed:
    """What a function says of each record of a batch."""
    answered = body.get("records") if isinstance(body, dict) else None
    by_identifier = {
        each.get("recordId"): each for each in answered or () if isinstance(each, dict)
    }
    done: list[Item] = []
    failed: list[Failure] = []
    for item in batch:
        answer = by_identifier.get(item.record.number)
        if answer is None:
            message = "One or more record Ids were not returned. Ensure that all are"
            failed.append(_failure(item, "Lambda.MissingRecordId", message, attempts))
        elif answer.get("result") == "ProcessingFailed":
            message = "ProcessingFailed status set for record"
            failed.append(_failure(item, "Lambda.ProcessingFailedStatus", message, attempts))
        elif answer.get("result") == "Ok":
            try:
                done.append(_transformed(item, answer))
            except (ValueError, TypeError, AttributeError) as error:
                message = f"The function's answer for the record is not valid: {error}"
                failed.append(_failure(item, "Lambda.JsonProcessingException", message, attempts))
        elif answer.get("result") != "Dropped":
            message = f"result must be Ok, Dropped or ProcessingFailed, got {answer.get('result')}"
            failed.append(_failure(item, "Lambda.JsonProcessingException", message, attempts))
    return done, failed


def _transformed(item: Item, answer: dict[str, Any]) -> Item:
    data = base64.b64decode(answer.get("data") or "", validate=True)
    keys = (answer.get("metadata") or {}).get("partitionKeys") or {}
    function_keys = {str(name): str(value) for name, value in keys.items()}
    return replace(item, data=data, keys=Keys(function=function_keys))


def _query(settings: DeliverySettings, items: Sequence[Item]) -> Processed:
    done: list[Item] = []
    failed: list[Failure] = []
    for item in items:
        try:
            keys = settings.query.keys_of(json.loads(item.data)) if settings.query else {}
        except (QueryError, ValueError) as error:
            code = "DynamicPartitioning.MetadataExtractionFailed"
            failed.append(_failure(item, code, str(error), 1))
        else:
            done.append(replace(item, keys=replace(item.keys, query=keys)))
    return done, failed


def _failure(item: Item, code: str, message: str, attempts: int) -> Failure:
    return Failure(item, PROCESSING_FAILED, code, message, attempts)
