"""Statements that write data: CREATE TABLE AS, INSERT and UNLOAD."""

import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlglot import exp

from local_aws import adapter
from local_aws.adapter import glue
from local_aws.adapter.queries import Query, Result
from local_aws.athena.catalog import get_table, split_address
from local_aws.athena.sources import Workspace, named, quoted
from local_aws.athena.translation import UNNAMED, InvalidStatementError, parse, translate
from local_aws.athena.types import duckdb_type, hive_type

_UNLOAD = re.compile(
    r"unload\s*\((?P<query>.*)\)\s*to\s*'(?P<to>[^']+)'\s*(?:with\s*\((?P<options>.*)\))?",
    re.I | re.S,
)
_FORMATS = {"PARQUET": "parquet", "JSON": "json", "TEXTFILE": "csv"}
_SERDES = {
    "PARQUET": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    "JSON": "org.openx.data.jsonserde.JsonSerDe",
    "TEXTFILE": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
}


def unload(query: Query, sql: str, workspace: Workspace) -> Result | None:
    """Execute UNLOAD, or answer None if the statement is another."""
    matched = _UNLOAD.fullmatch(sql)
    if matched is None:
        return None
    options = matched["options"] or ""
    bucket, prefix = split_address(matched["to"])
    if adapter.list_objects(bucket, prefix):
        raise ValueError(f"HIVE_PATH_ALREADY_EXISTS: Target directory {matched['to']} is not empty")
    select = translate(parse(matched["query"]), workspace, query.database)
    kind = _text_option(options, "format")
    _write(workspace, select, matched["to"], kind or "PARQUET", _list_option(options))
    return Result(scanned=workspace.scanned)


def create_table_as(query: Query, tree: exp.Create, workspace: Workspace) -> Result:
    """Execute CREATE TABLE ... AS SELECT."""
    target, options = tree.this, _options(tree)
    database = target.db or query.database
    if glue.get_table(database, target.name) is not None:
        if tree.args.get("exists"):
            return Result()
        raise ValueError(f"TABLE_ALREADY_EXISTS: Table '{database}.{target.name}' already exists")
    kind = str(options.get("format", "PARQUET")).upper()
    folder = query.output.rsplit("/", 1)[0]
    location = options.get("external_location", f"{folder}/tables/{query.query_id}/")
    keys = options.get("partitioned_by", [])
    select = translate(tree.expression, workspace, query.database)
    described = workspace.database.execute(f"describe {select}").fetchall()
    columns = {row[0].lower(): hive_type(row[1]) for row in described}
    if any(name.startswith(UNNAMED) for name in columns):
        raise InvalidStatementError("MISSING_COLUMN_NAME: every column of the query needs a name")
    _write(workspace, select, location, kind, keys)
    glue.put_table(
        database,
        {
            "Name": target.name.lower(),
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"EXTERNAL": "TRUE", "classification": _FORMATS[kind]},
            "PartitionKeys": [{"Name": key, "Type": columns[key]} for key in keys],
            "StorageDescriptor": {
                "Columns": [{"Name": n, "Type": t} for n, t in columns.items() if n not in keys],
                "Location": location,
                "SerdeInfo": {
                    "SerializationLibrary": _SERDES[kind],
                    "Parameters": {"field.delim": ","} if kind == "TEXTFILE" else {},
                },
            },
        },
    )
    if keys:
        get_table(database, target.name).discover_partitions()
    return Result(scanned=workspace.scanned)


def insert(query: Query, tree: exp.Insert, workspace: Workspace) -> Result:
    """Execute INSERT INTO."""
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    table = get_table(target.db or query.database, target.name)
    types = dict((*table.columns, *table.keys))
    given = (
        [column.name.lower() for column in tree.this.expressions]
        if isinstance(tree.this, exp.Schema)
        else list(types)
    )
    rows = translate(tree.expression, workspace, query.database)
    cells = ", ".join(
        f"{named(name)}::{duckdb_type(kind)} {named(name)}"
        if name in given
        else f"null::{duckdb_type(kind)} {named(name)}"
        for name, kind in types.items()
    )
    names = ", ".join(named(name) for name in given)
    select = f"select {cells} from ({rows}) as given({names})"  # noqa: S608 - names are quoted
    kind = {"parquet": "PARQUET", "json": "JSON"}.get(table.format, "TEXTFILE")
    written = _write(workspace, select, table.location, kind, table.key_names)
    if table.keys and not table.projected:
        table.discover_partitions()
    return Result(
        columns=("rows",), types=("bigint",), rows=[[str(written)]], scanned=workspace.scanned
    )


def _write(workspace: Workspace, select: str, location: str, kind: str, keys: Sequence[str]) -> int:
    """Write a query's rows as objects under a location.

    Returns:
        How many rows there were.
    """
    if kind not in _FORMATS:
        raise InvalidStatementError(f"format must be one of {sorted(_FORMATS)}, got {kind}")
    folder = workspace.root / f"written-{uuid.uuid4().hex}"
    folder.mkdir()
    options = [f"format {_FORMATS[kind]}"]
    if kind == "TEXTFILE":
        options.append("header false")
    target = folder / "part"
    if keys:
        options.append(f"partition_by ({', '.join(named(key) for key in keys)})")
        target = folder
    statement = f"copy ({select}) to {quoted(str(target))} ({', '.join(options)})"
    counted: Any = workspace.database.execute(statement).fetchone()
    bucket, prefix = split_address(location if location.endswith("/") else f"{location}/")
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        inside = path.relative_to(folder).parent
        name = f"{uuid.uuid4().hex}_{path.stem}"
        key = prefix + (name if inside == Path() else f"{inside.as_posix()}/{name}")
        adapter.put_object(bucket, key, path.read_bytes())
    return int(counted[0])


def _options(tree: exp.Create) -> dict[str, Any]:
    """The WITH properties of CREATE TABLE AS, by lower-case name."""
    properties = tree.args.get("properties")
    text = properties.sql(dialect="athena") if properties is not None else ""
    found: dict[str, Any] = {}
    for name in ("format", "external_location"):
        value = _text_option(text, name)
        if value is not None:
            found[name] = value
    keys = _list_option(text)
    if keys:
        found["partitioned_by"] = keys
    return found


def _text_option(text: str, name: str) -> str | None:
    matched = re.search(rf"\b{name}\s*=\s*'([^']*)'", text, re.I)
    return None if matched is None else matched[1]


def _list_option(text: str) -> list[str]:
    matched = re.search(r"\bpartitioned_by\s*=\s*ARRAY\s*\[(.*?)\]", text, re.I | re.S)
    return (
        [] if matched is None else [p.strip().strip("'\"").lower() for p in matched[1].split(",")]
    )
