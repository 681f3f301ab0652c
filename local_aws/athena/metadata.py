"""Statements about the catalog: SHOW, DESCRIBE, MSCK REPAIR, ALTER TABLE and the like."""

import re
from collections.abc import Callable

from local_aws.adapter import glue, queries
from local_aws.adapter.queries import Query, Result
from local_aws.athena.catalog import Table, get_table
from local_aws.athena.results import listing

_NAME = r"[`\"]?([\w.`\"-]+?)[`\"]?"


def execute(query: Query, sql: str) -> Result | None:
    """Execute a statement about the catalog, or answer None if it is none of these."""
    for pattern, statement in _STATEMENTS:
        matched = re.fullmatch(pattern, sql, re.I | re.S)
        if matched is not None:
            return statement(query, *matched.groups())
    return None


def _show_databases(_query: Query) -> Result:
    glue.check("GetDatabases", "database/*")
    return listing(["database_name"], [[name] for name in glue.database_names()])


def _show_tables(query: Query, database: str | None, like: str | None) -> Result:
    names = glue.table_names(_plain(database) if database else query.database)
    pattern = (like or "*").replace("*", ".*")
    return listing(["tab_name"], [[name] for name in names if re.fullmatch(pattern, name)])


def _show_views(query: Query) -> Result:
    names = glue.table_names(query.database)
    views = [name for name in names if get_table(query.database, name).view is not None]
    return listing(["views"], [[name] for name in views])


def _show_columns(query: Query, name: str) -> Result:
    table = _table(query, name)
    return listing(["field"], [[column] for column, _ in (*table.columns, *table.keys)])


def _show_partitions(query: Query, name: str) -> Result:
    table = _table(query, name)
    named = (zip(table.key_names, values, strict=True) for values in table.partition_values())
    return listing(["partition"], [["/".join(f"{k}={v}" for k, v in row)] for row in named])


def _show_create(query: Query, name: str) -> Result:
    table = _table(query, name)
    if table.view is not None:
        return listing(["Create View"], [[f"CREATE VIEW {table.name} AS {table.view}"]])
    lines = [f"CREATE EXTERNAL TABLE `{table.database}.{table.name}`("]
    lines += [f"  `{column}` {kind}," for column, kind in table.columns]
    lines[-1] = lines[-1].removesuffix(",") + ")"
    if table.keys:
        keys = ", ".join(f"`{key}` {kind}" for key, kind in table.keys)
        lines.append(f"PARTITIONED BY ({keys})")
    lines.append(f"LOCATION '{table.location.removesuffix('/')}'")
    properties = ", ".join(f"'{k}'='{v}'" for k, v in sorted(table.properties.items()))
    lines.append(f"TBLPROPERTIES ({properties})")
    return listing(["createtab_stmt"], [[line] for line in lines])


def _describe(query: Query, name: str) -> Result:
    table = _table(query, name)
    rows = [[column, kind, ""] for column, kind in (*table.columns, *table.keys)]
    return listing(["col_name", "data_type", "comment"], rows)


def _repair(query: Query, name: str) -> Result:
    _table(query, name).discover_partitions()
    return Result()


def _add_partitions(query: Query, name: str, exists: str | None, text: str) -> Result:
    table = _table(query, name)
    added = re.findall(r"partition\s*\((.*?)\)(?:\s*location\s*'([^']+)')?", text, re.I | re.S)
    for values_text, location in added:
        values = _values(table, values_text)
        named = zip(table.key_names, values, strict=True)
        folder = location or table.location + "".join(f"{key}={value}/" for key, value in named)
        if not glue.add_partition(table.database, table.name, values, folder) and not exists:
            raise ValueError(f"AlreadyExistsException: partition {values} already exists")
    return Result()


def _drop_partitions(query: Query, name: str, text: str) -> Result:
    table = _table(query, name)
    for values_text in re.findall(r"partition\s*\((.*?)\)", text, re.I | re.S):
        glue.drop_partition(table.database, table.name, _values(table, values_text))
    return Result()


def _create_database(_query: Query, exists: str | None, name: str) -> Result:
    if not (exists and _plain(name) in glue.database_names()):
        glue.create_database(_plain(name))
    return Result()


def _drop_database(_query: Query, exists: str | None, name: str, cascade: str | None) -> Result:
    known = _plain(name) in glue.database_names()
    if known and glue.table_names(_plain(name)) and not cascade:
        raise ValueError(f"SCHEMA_NOT_EMPTY: Cannot drop non-empty schema '{_plain(name)}'")
    if known or not exists:
        glue.delete_database(_plain(name))
    return Result()


def _drop_view(query: Query, exists: str | None, name: str) -> Result:
    database, view = _split(query, name)
    if glue.get_table(database, view) is None and not exists:
        raise ValueError(f"View '{database}.{view}' does not exist")
    glue.delete_table(database, view)
    return Result()


def _prepare(query: Query, name: str, sql: str) -> Result:
    queries.prepare_statement(query.workgroup, name, sql)
    return Result()


def _deallocate(query: Query, name: str) -> Result:
    queries.deallocate_statement(query.workgroup, name)
    return Result()


def _values(table: Table, text: str) -> tuple[str, ...]:
    """The values of `day='2018-04-01', hour=3`, in the order of the table's columns."""
    given = re.findall(r"[`\"]?(\w+)[`\"]?\s*=\s*(?:'([^']*)'|([^,\s]+))", text)
    named = {name.lower(): quoted or plain for name, quoted, plain in given}
    if set(named) != set(table.key_names):
        raise ValueError(f"SYNTAX_ERROR: partition needs {table.key_names}, got {tuple(named)}")
    return tuple(named[key] for key in table.key_names)


def _table(query: Query, name: str) -> Table:
    return get_table(*_split(query, name))


def _split(query: Query, name: str) -> tuple[str, str]:
    database, _, table = _plain(name).rpartition(".")
    return database or query.database, table


def _plain(name: str) -> str:
    return name.replace("`", "").replace('"', "").lower()


_STATEMENTS: tuple[tuple[str, Callable[..., Result]], ...] = (
    (r"show\s+(?:databases|schemas)", _show_databases),
    (rf"show\s+tables(?:\s+in\s+{_NAME})?(?:\s+(?:like\s+)?'([^']*)')?", _show_tables),
    (r"show\s+views", _show_views),
    (rf"show\s+columns\s+(?:in|from)\s+{_NAME}", _show_columns),
    (rf"show\s+partitions\s+{_NAME}", _show_partitions),
    (rf"show\s+create\s+(?:table|view)\s+{_NAME}", _show_create),
    (rf"(?:describe|desc)\s+(?:formatted\s+|extended\s+)?{_NAME}", _describe),
    (rf"msck\s+repair\s+table\s+{_NAME}", _repair),
    (rf"alter\s+table\s+{_NAME}\s+add\s+(if\s+not\s+exists\s+)?(partition.*)", _add_partitions),
    (rf"alter\s+table\s+{_NAME}\s+drop\s+(?:if\s+exists\s+)?(partition.*)", _drop_partitions),
    (
        rf"create\s+(?:database|schema)\s+(if\s+not\s+exists\s+)?{_NAME}(?:\s+comment.*)?",
        _create_database,
    ),
    (
        rf"drop\s+(?:database|schema)\s+(if\s+exists\s+)?{_NAME}(?:\s+(cascade)|\s+restrict)?",
        _drop_database,
    ),
    (rf"drop\s+view\s+(if\s+exists\s+)?{_NAME}", _drop_view),
    (r"prepare\s+(\w+)\s+from\s+(.*)", _prepare),
    (r"deallocate\s+prepare\s+(\w+)", _deallocate),
)
