"""Strict reading of requests: raw transactions or feature rows, in any of four forms.

Whatever a caller sends, the outcome is a checked value or `RequestError` with a reason that names
the place, the field, the rule and (shortened) what was got. Nothing is guessed, coerced or rounded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline_code.common.fields import (
    FieldError,
    check_names,
    json_object,
    json_value,
    kind,
    minor_amount,
    moment,
    text_of,
    whole_number,
)
from pipeline_code.contracts.serving import (
    CSV,
    JSON_LINES,
    MOST_FEATURE_ROWS,
    MOST_TRANSACTIONS,
    PARQUET,
    TRANSACTION_FIELDS,
)
from pipeline_code.features.events import Transaction
from pipeline_code.serve.isolation import IsolatedReader
from pipeline_code.serve.refusals import RequestError
from pipeline_code.serve.rows import (
    FeatureRows,
    is_feature_row,
    require_batch_length,
    rows_of_csv,
    rows_of_objects,
)

__all__ = ["RequestError", "ScoringRequest", "parse_body", "parse_transaction"]


@dataclass(frozen=True, slots=True, eq=False)
class ScoringRequest:
    """What a body asks to score.

    Attributes:
        what: Raw transactions, or feature rows.
        single: Whether it was one JSON object, which is answered with one and not with an array.
    """

    what: Sequence[Transaction] | FeatureRows
    single: bool = False


# One a worker, which starts with the first Parquet body.
_PARQUET = IsolatedReader()


def parse_body(media_type: str, body: bytes) -> ScoringRequest:
    """What a body of one of the contract's media types asks for.

    Raises:
        RequestError: It breaks a rule.
    """
    try:
        if media_type == CSV:
            return ScoringRequest(rows_of_csv(text_of(body, "body")))
        if media_type == PARQUET:
            return ScoringRequest(_PARQUET.read(body))
        if media_type == JSON_LINES:
            return _lines(body)
        return _document(body)
    except FieldError as refused:
        raise RequestError(refused.reason) from None


def parse_transaction(body: bytes) -> Transaction:
    """The raw transaction of a JSON body.

    parse_transaction(b'{"transaction_id": 1, "event_time": "2018-08-01T10:00:00Z",'
                      b' "customer_id": 2, "terminal_id": 3, "amount": "12.30"}')
    """
    try:
        return transaction_of(json_object(body, "body"), "body")
    except FieldError as refused:
        raise RequestError(refused.reason) from None


def transaction_of(document: Mapping[str, Any], name: str) -> Transaction:
    """The raw transaction that a JSON object is; `name` is what a reason calls it.

    Raises:
        FieldError: It breaks a rule.
    """
    check_names(document, name, TRANSACTION_FIELDS)
    return Transaction(
        transaction_id=whole_number(document, "transaction_id"),
        event_time=moment(document, "event_time"),
        customer_id=whole_number(document, "customer_id"),
        terminal_id=whole_number(document, "terminal_id"),
        amount_minor=minor_amount(document, "amount"),
    )


def _document(body: bytes) -> ScoringRequest:
    document = json_value(body, "body")
    if isinstance(document, list):
        places = [f"item {number}: " for number in range(1, len(document) + 1)]
        return ScoringRequest(_batch(document, places))
    if not isinstance(document, dict):
        raise FieldError(f"body must be a JSON object or an array of them, got {kind(document)}")
    if is_feature_row(document):
        return ScoringRequest(rows_of_objects([document], [""]), single=True)
    return ScoringRequest([transaction_of(document, "body")], single=True)


def _lines(body: bytes) -> ScoringRequest:
    # Not splitlines: JSON text may hold other characters that it takes for ends of lines.
    lines = body.split(b"\n")
    if not lines[-1].strip():
        lines.pop()
    require_batch_length(len(lines), MOST_FEATURE_ROWS, "lines")
    documents = [json_value(line, f"line {number}") for number, line in enumerate(lines, start=1)]
    return ScoringRequest(_batch(documents, [f"line {n}: " for n in range(1, len(documents) + 1)]))


def _batch(documents: Sequence[Any], places: Sequence[str]) -> Sequence[Transaction] | FeatureRows:
    if not documents:
        raise FieldError("body must hold at least one transaction or feature row, got none")
    for document, place in zip(documents, places, strict=True):
        if not isinstance(document, dict):
            raise FieldError(f"{place}must be a JSON object, got {kind(document)}")
    if is_feature_row(documents[0]):
        require_batch_length(len(documents), MOST_FEATURE_ROWS, "rows")
        return rows_of_objects(documents, places)
    require_batch_length(len(documents), MOST_TRANSACTIONS, "transactions")
    return [
        _transaction_at(document, place) for document, place in zip(documents, places, strict=True)
    ]


def _transaction_at(document: Mapping[str, Any], place: str) -> Transaction:
    try:
        return transaction_of(document, "a transaction")
    except FieldError as refused:
        raise FieldError(f"{place}{refused.reason}") from None
