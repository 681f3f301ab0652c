"""Answers in Athena's spelling: cells as text, types by name, and the result file."""

import datetime
import decimal
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from local_aws import adapter
from local_aws.adapter.queries import Query, Result
from local_aws.athena.catalog import split_address
from local_aws.athena.translation import final_names
from local_aws.athena.types import athena_type


def answer(cursor: duckdb.DuckDBPyConnection, scanned: int) -> Result:
    """The result of an executed query."""
    description = cursor.description or []
    return Result(
        columns=final_names([column[0] for column in description]),
        types=tuple(athena_type(str(column[1])) for column in description),
        rows=[[text(value) for value in row] for row in cursor.fetchall()],
        scanned=scanned,
    )


def listing(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Result:
    """The result of a statement that describes something."""
    return Result(
        columns=tuple(columns), types=("string",) * len(columns), rows=[list(row) for row in rows]
    )


def write_file(query: Query, result: Result) -> None:
    """Write the CSV file that clients read results from.

    Raises:
        ValueError: If the result location's bucket does not exist.
    """
    lines: list[Sequence[str | None]] = [result.columns] if result.columns else []
    file = "".join(f"{','.join(map(_csv, line))}\n" for line in (*lines, *result.rows))
    bucket, key = split_address(query.output)
    try:
        adapter.put_object(bucket, key, file.encode(), "text/csv", encrypted=query.encrypted)
    except PermissionError as error:
        raise ValueError(
            f"Access denied when writing output to url: {query.output} . Please ensure you are "
            "allowed to access the S3 bucket. If you are encrypting query results with KMS key, "
            f"please ensure you are allowed to access your KMS key ({error})"
        ) from error
    except KeyError as error:
        raise ValueError(f"Unable to verify/create output bucket {bucket}") from error


def check_reader(address: str) -> None:
    """Refuse results to who may not read their file.

    "The IAM principal with permission to call GetQueryResults also must have permissions to the
    Amazon S3 GetObject action for the Athena query results location" (API reference).

    Raises:
        PermissionError: If they may not.
    """
    adapter.check_read(*split_address(address))


def text(value: Any) -> str | None:  # noqa: PLR0911 - one line a type
    """A cell as Athena writes it."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case datetime.datetime():
            stamp = f"{value:%Y-%m-%d %H:%M:%S}.{value.microsecond // 1000:03d}"
            return stamp if value.tzinfo is None else f"{stamp} UTC"
        case float():
            return _number(value)
        case decimal.Decimal():
            return f"{value:f}"
        case bytes():
            return value.hex(" ")
        case Mapping():
            return "{" + ", ".join(f"{k}={_inner(v)}" for k, v in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(_inner(item) for item in value) + "]"
    return str(value)


def _csv(cell: str | None) -> str:
    """A cell of the file: NULL is nothing, and the empty string is quoted."""
    return "" if cell is None else '"' + cell.replace('"', '""') + '"'


def _inner(value: Any) -> str:
    cell = text(value)
    return "null" if cell is None else cell


def _number(value: float) -> str:
    """Java's notation of a double, which Athena prints."""
    if value != value:  # noqa: PLR0124 - only NaN differs from itself
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    digits = repr(value)
    if value == 0 or 1e-3 <= abs(value) < 1e7:  # noqa: PLR2004 - Java's bounds
        return digits
    mantissa, _, exponent = f"{decimal.Decimal(digits).normalize():E}".partition("E")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent)}"
