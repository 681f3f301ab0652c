"""Tables as DuckDB relations over the files of their objects."""

import itertools
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb

from local_aws import adapter
from local_aws.adapter.queries import QueryCancelledError
from local_aws.athena.catalog import DataFile, Table
from local_aws.athena.pruning import Condition
from local_aws.athena.types import duckdb_type, split

# Functions of Athena that DuckDB lacks and the translation leaves as they are.
_MACROS = """
create macro to_iso8601(t) as strftime(t::timestamp, '%Y-%m-%dT%H:%M:%S.%g') || 'Z';
create macro from_iso8601_date(s) as s::date;
create macro at_timezone(t, zone) as timezone(zone, t);
create macro is_nan(x) as isnan(x);
create macro is_finite(x) as isfinite(x);
create macro is_infinite(x) as isinf(x);
"""

_SETTINGS = (
    "set TimeZone = 'UTC'",
    "set integer_division = true",
    "set threads = 2",
    "set memory_limit = '1GB'",
    "set autoinstall_known_extensions = false",
)

_CONFINEMENT = ("set enable_external_access = false", "set lock_configuration = true")


class Workspace:
    """One query's DuckDB, with a folder for its files and a view for each table that it reads.

    Args:
        scan_limit: Bytes that may be read, or None for any number.
    """

    def __init__(self, scan_limit: int | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="athena-")
        self.root = Path(self._folder.name)
        self.database = duckdb.connect(":memory:")
        self.scanned = 0
        self._scan_limit = scan_limit
        self._numbers = itertools.count()
        self.database.execute(_MACROS)
        # SQL has functions that read files; it must reach none but this query's and S3's.
        allowed = ", ".join(quoted(str(path)) for path in (self.root, adapter.objects_folder()))
        for statement in (*_SETTINGS, f"set allowed_directories = [{allowed}]", *_CONFINEMENT):
            self.database.execute(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.database.close()
        self._folder.cleanup()

    def attach(self, table: Table, conditions: Sequence[Condition]) -> str:
        """Make a view of a table's rows, less those that the conditions rule out.

        Returns:
            The view's name.
        """
        number = next(self._numbers)
        files = [(self._local(table, file), file) for file in table.files(conditions)]
        types = {name: duckdb_type(kind) for name, kind in (*table.columns, *table.keys)}
        if files:
            self._register_partitions(number, table, types, files)
            query = self._select(number, table, types, [path for path, _ in files])
        else:
            empty = ", ".join(f"null::{kind} {named(name)}" for name, kind in types.items())
            query = f"select {empty} where false"
        self.database.execute(f"create view source_{number} as {query}")
        return f"source_{number}"

    def _select(self, number: int, table: Table, types: dict[str, str], paths: list[Path]) -> str:
        reader = self._reader(table, types, paths)
        present = {row[0].lower() for row in self._rows(f"describe from {reader}")}
        columns = [
            f"f.{named(name)}::{types[name]} {named(name)}"
            if name in present
            else f"null::{types[name]} {named(name)}"
            for name, _kind in table.columns
        ]
        keys = [f"p.{named(name)} {named(name)}" for name in table.key_names]
        joined = f" join partitions_{number} p on f.filename = p.filename" if keys else ""
        return f"select {', '.join([*columns, *keys])} from {reader} f{joined}"  # noqa: S608

    def _register_partitions(
        self,
        number: int,
        table: Table,
        types: dict[str, str],
        files: list[tuple[Path, DataFile]],
    ) -> None:
        """A table of each file's partition values, by which its rows get them."""
        if not table.keys:
            return
        columns = ", ".join(f"{named(name)} {types[name]}" for name in table.key_names)
        self.database.execute(f"create table partitions_{number} (filename varchar, {columns})")
        holes = ", ".join("?" for _ in range(len(table.keys) + 1))
        self.database.executemany(
            f"insert into partitions_{number} values ({holes})",  # noqa: S608 - names are ours
            [[str(path), *file.values] for path, file in files],
        )

    def _reader(self, table: Table, types: dict[str, str], paths: list[Path]) -> str:
        listed = f"[{', '.join(quoted(str(path)) for path in paths)}]"
        if table.format == "parquet":
            return (
                f"read_parquet({listed}, filename = true, union_by_name = true, "
                "hive_partitioning = false)"
            )
        columns = ", ".join(f"{quoted(name)}: {quoted(types[name])}" for name, _ in table.columns)
        if table.format == "json":
            return (
                f"read_json({listed}, format = 'newline_delimited', columns = {{{columns}}}, "
                "filename = true, hive_partitioning = false, ignore_errors = true)"
            )
        delimiter, quote = _separators(table)
        skipped = int(table.properties.get("skip.header.line.count", 0))
        return (
            f"read_csv({listed}, columns = {{{columns}}}, delim = {quoted(delimiter)}, "
            f"quote = {quoted(quote)}, escape = {quoted(quote)}, header = false, skip = {skipped}, "
            "null_padding = true, filename = true, hive_partitioning = false, "
            "auto_detect = false, nullstr = '\\N')"
        )

    def _local(self, table: Table, file: DataFile) -> Path:
        """A file with an object's rows; S3's own where DuckDB can read that as it is."""
        path = adapter.object_file(file.bucket, file.key)
        if path is not None and table.format != "json" and not set("*?[]") & set(str(path)):
            self._count(path.stat().st_size)
            return path
        body = adapter.get_object(file.bucket, file.key)
        self._count(len(body))
        copy = self.root / f"object-{next(self._numbers)}"
        copy.write_bytes(_lowered_lines(table, body) if table.format == "json" else body)
        return copy

    def _count(self, scanned: int) -> None:
        self.scanned += scanned
        if self._scan_limit is not None and self.scanned > self._scan_limit:
            raise QueryCancelledError(
                f"Bytes scanned limit was exceeded: {self.scanned} of {self._scan_limit}"
            )

    def _rows(self, sql: str) -> list[Any]:
        rows: list[Any] = self.database.execute(sql).fetchall()
        return rows


def _lowered_lines(table: Table, body: bytes) -> bytes:
    """JSON Lines with their names in lower case, as the catalog has them.

    DuckDB matches the names of JSON by case; the SerDe does not.
    """
    row_type = f"struct<{','.join(f'{name}:{kind}' for name, kind in table.columns)}>"
    tolerant = table.serde_properties.get("ignore.malformed.json", "").lower() == "true"
    lines = []
    for number, line in enumerate(body.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except ValueError as error:
            if tolerant:
                continue
            raise ValueError(
                f"HIVE_CURSOR_ERROR: Row is not a valid JSON Object in line {number}: {error}"
            ) from error
        lines.append(json.dumps(lowered(document, row_type)))
    return "\n".join(lines).encode()


def lowered(document: Any, hive: str) -> Any:
    """A JSON value with the names of its structs in lower case; those of maps stay."""
    name, _, inner = hive.strip().partition("<")
    parts = split(inner.removesuffix(">")) if inner else []
    if name.lower() == "struct" and isinstance(document, dict):
        types = {key.lower(): kind for key, _, kind in (part.partition(":") for part in parts)}
        return {
            key.lower(): lowered(value, types.get(key.lower(), "string"))
            for key, value in document.items()
        }
    if name.lower() == "array" and isinstance(document, list):
        return [lowered(value, parts[0]) for value in document]
    return document


def quoted(text: str) -> str:
    """A SQL string."""
    return "'" + text.replace("'", "''") + "'"


def named(name: str) -> str:
    """A SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _separators(table: Table) -> tuple[str, str]:
    """Delimiter and quote of a text table."""
    properties = table.serde_properties
    if table.format == "csv":
        return properties.get("separatorChar", ","), properties.get("quoteChar", '"')
    return properties.get("field.delim", properties.get("serialization.format", "\x01")), ""
