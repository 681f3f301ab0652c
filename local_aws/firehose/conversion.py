"""Record format conversion: JSON by a Glue table's schema into Parquet."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from local_aws.firehose.schema import Conversion
from local_aws.firehose.values import UnsupportedTypeError, ValueMismatchError, column

_ROW_GROUP = 1_000_000

Row = dict[str, Any]


class ConversionError(Exception):
    """A record that cannot be converted: Firehose's code for it, and what is wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = f"DataFormatConversion.{code}"


class Converter:
    """Rows of one table.

    Args:
        conversion: What is asked for.
        table: The table as the Glue catalog has it, if it is there.

    Raises:
        ConversionError: If there is no such table, or a column that cannot be written.
    """

    def __init__(self, conversion: Conversion, table: Mapping[str, Any] | None) -> None:
        if table is None:
            name = f"{conversion.database}.{conversion.table}"
            raise ConversionError("EntityNotFound", f"the table {name} could not be found")
        self._conversion = conversion
        try:
            self._columns = {
                each["Name"]: column(each["Name"], each.get("Type", "string"), conversion.formats)
                for each in table["StorageDescriptor"]["Columns"]
            }
        except UnsupportedTypeError as error:
            raise ConversionError("InvalidSchema", str(error)) from error
        self._schema = pa.schema([(name, kind) for name, (kind, _read) in self._columns.items()])
        self._sources = {
            name: self._spelled(conversion.fields.get(name, name)) for name in self._columns
        }

    def rows(self, data: bytes) -> list[Row]:
        """The rows of a record: one, or several JSON objects after another.

        Raises:
            ConversionError: If it is no JSON, or a value is not of its column's type.
        """
        return [self._row(document) for document in _documents(data)]

    def _row(self, document: Mapping[str, Any]) -> Row:
        values = {self._field(name): value for name, value in document.items()}
        try:
            return {
                name: read(values.get(self._sources[name]))
                for name, (_kind, read) in self._columns.items()
            }
        except ValueMismatchError as error:
            raise ConversionError(
                "MalformedData", f"Data does not match the schema: {error}"
            ) from error

    def _field(self, name: str) -> str:
        return self._spelled(name.replace(".", "_") if self._conversion.dots else name)

    def _spelled(self, name: str) -> str:
        return name if self._conversion.case_sensitive else name.lower()

    def write(self, rows: Sequence[Row]) -> bytes:
        """A Parquet file, with timestamps as Firehose's have them (INT96)."""
        arrays = [
            pa.array([row[name] for row in rows], kind)
            for name, (kind, _read) in self._columns.items()
        ]
        sink = io.BytesIO()
        pq.write_table(
            pa.Table.from_arrays(arrays, schema=self._schema),
            sink,
            compression=self._conversion.compression,
            use_deprecated_int96_timestamps=True,
            row_group_size=_ROW_GROUP,
        )
        return sink.getvalue()


def _documents(data: bytes) -> Iterator[Mapping[str, Any]]:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ConversionError("ParseError", "Encountered malformed JSON: not UTF-8") from error
    position = _after_space(text, 0)
    if position == len(text):
        raise ConversionError("MalformedData", "The record was empty or only whitespace")
    # Numbers stay exact until their column is known.
    decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)
    while position < len(text):
        try:
            document, position = decoder.raw_decode(text, position)
        except ValueError as error:
            raise ConversionError("ParseError", f"Encountered malformed JSON: {error}") from error
        if not isinstance(document, dict):
            raise ConversionError("MalformedData", "The top level of the JSON must be an object")
        yield document
        position = _after_space(text, position)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _after_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position
