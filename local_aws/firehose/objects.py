"""The objects that records become: one for each set of partition keys, and those of errors."""

import base64
import gzip
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from local_aws.adapter import glue
from local_aws.firehose import prefixes
from local_aws.firehose.conversion import ConversionError, Converter, Row
from local_aws.firehose.items import (
    CONVERSION_FAILED,
    PROCESSING_FAILED,
    TOO_MANY_PARTITIONS,
    DeliveryBlockedError,
    Failure,
    Item,
)
from local_aws.firehose.permissions import table_denied
from local_aws.firehose.processing import process
from local_aws.firehose.settings import DeliverySettings

# "a limit of 500 per Firehose stream" (the guide, Buffer data for dynamic partitioning); a quota
# that AWS raises for who asks. Those of a buffer are the active ones.
_PARTITIONS = 500


@dataclass(frozen=True, slots=True)
class OutputObject:
    """An object that is to be written."""

    key: str
    body: bytes


def make(settings: DeliverySettings, items: Sequence[Item]) -> list[OutputObject]:
    """Everything that some records become.

    Raises:
        HeldUpError: If it cannot be said now, because a permission or a function is missing.
    """
    done, failed = process(settings, items)
    rows: dict[int, list[Row]] = {}
    if settings.conversion is not None:
        converter, done, refused = _convert(settings, done, rows)
        failed += refused
    groups, refused = _grouped(settings, done)
    failed += refused
    made = []
    for group in groups.values():
        if settings.conversion is not None and converter is not None:
            body = converter.write([row for item in group for row in rows[item.record.sequence]])
        else:
            body = b"".join(item.data + settings.delimiter for item in group)
            body = gzip.compress(body) if settings.gzip else body
        made.append(OutputObject(_key(settings, group), body))
    return made + _errors(settings, failed)


def _convert(
    settings: DeliverySettings, items: Sequence[Item], rows: dict[int, list[Row]]
) -> tuple[Converter | None, list[Item], list[Failure]]:
    """Read the rows of each record, by its position in the log."""
    conversion = settings.conversion
    if conversion is None or not items:
        return None, list(items), []
    denied = table_denied(settings)
    if denied is not None:
        raise DeliveryBlockedError(denied)
    try:
        converter = Converter(conversion, glue.get_table(conversion.database, conversion.table))
    except ConversionError as error:
        message = str(error)
        return None, [], [Failure(i, CONVERSION_FAILED, error.code, message) for i in items]
    done: list[Item] = []
    failed: list[Failure] = []
    for item in items:
        try:
            rows[item.record.sequence] = converter.rows(item.data)
            done.append(item)
        except ConversionError as error:
            failed.append(Failure(item, CONVERSION_FAILED, error.code, str(error)))
    return converter, done, failed


def _grouped(
    settings: DeliverySettings, items: Sequence[Item]
) -> tuple[dict[str, list[Item]], list[Failure]]:
    """The records of each object, and those that are in none."""
    groups: dict[str, list[Item]] = {}
    failed: list[Failure] = []
    for item in items:
        try:
            group = _group(settings, item)
        except prefixes.PrefixError as error:
            code = "DynamicPartitioning.PartitionKeyMissing"
            failed.append(Failure(item, PROCESSING_FAILED, code, str(error)))
            continue
        if group not in groups and len(groups) == _PARTITIONS:
            code = "DynamicPartitioning.ActivePartitionsLimitExceeded"
            # serverworks.co.jp/2022/04/01/192443 quotes it.
            message = "The number of active partitions has exceeded the configured limit"
            failed.append(Failure(item, TOO_MANY_PARTITIONS, code, message))
            continue
        groups.setdefault(group, []).append(item)
    return groups, failed


def _group(settings: DeliverySettings, item: Item) -> str:
    """What records of one object have in common: the keys that the prefix names."""
    # The time and what is random are the object's, not the record's.
    named = "".join(
        f"!{{{space}:{name}}}/"
        for space in (prefixes.FROM_FUNCTION, prefixes.FROM_QUERY)
        for name in sorted(prefixes.wanted_keys(settings.prefix, space))
    )
    if not named:
        return ""
    return prefixes.evaluate(named, prefixes.arrival(0, settings.zone), item.keys)


def _key(settings: DeliverySettings, group: Sequence[Item]) -> str:
    moment = prefixes.arrival(min(i.record.arrival for i in group), settings.zone)
    folder = prefixes.evaluate(settings.prefix, moment, group[0].keys)
    name = prefixes.object_name(settings.name, settings.version, moment, settings.extension)
    return folder + name


def _errors(settings: DeliverySettings, failed: Iterable[Failure]) -> list[OutputObject]:
    by_kind = defaultdict[str, list[Failure]](list)
    for failure in failed:
        by_kind[failure.kind].append(failure)
    return [
        OutputObject(
            _error_key(settings, kind, failures),
            "".join(json.dumps(_document(settings, f)) + "\n" for f in failures).encode(),
        )
        for kind, failures in by_kind.items()
    ]


def _error_key(settings: DeliverySettings, kind: str, failures: Sequence[Failure]) -> str:
    arrival = min(failure.item.record.arrival for failure in failures)
    moment = prefixes.arrival(arrival, settings.zone)
    template = settings.error_prefix or f"{settings.prefix}!{{firehose:error-output-type}}/"
    folder = prefixes.evaluate(template, moment, prefixes.Keys(), kind)
    return folder + prefixes.object_name(settings.name, settings.version, moment, "")


def _document(settings: DeliverySettings, failure: Failure) -> dict[str, Any]:
    """A failed record as Firehose writes it."""
    record = failure.item.record
    document: dict[str, Any] = {
        "attemptsMade": failure.attempts,
        "arrivalTimestamp": int(record.arrival * 1000),
        "attemptEndingTimestamp": int(time.time() * 1000),
        "rawData": base64.b64encode(failure.item.data).decode(),
    }
    if failure.kind == CONVERSION_FAILED and settings.conversion is not None:
        return document | {
            "lastErrorCode": failure.code,
            "lastErrorMessage": failure.message,
            "sequenceNumber": record.number if settings.source is not None else None,
            "subSequenceNumber": None,
            "dataCatalogTable": settings.conversion.catalog_table,
        }
    document |= {"errorCode": failure.code, "errorMessage": failure.message}
    if failure.code.startswith("Lambda.") and settings.transformation is not None:
        document["lambdaArn"] = settings.transformation.function
    return document
