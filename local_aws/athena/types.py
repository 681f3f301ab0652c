"""Types in their three spellings: Hive's (the catalog), DuckDB's and Athena's (results)."""

import re

_DUCKDB = {
    "string": "VARCHAR",
    "char": "VARCHAR",
    "varchar": "VARCHAR",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "real": "FLOAT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMP",
    "date": "DATE",
    "binary": "BLOB",
}

_HIVE = {
    "VARCHAR": "string",
    "TINYINT": "tinyint",
    "SMALLINT": "smallint",
    "INTEGER": "int",
    "BIGINT": "bigint",
    "HUGEINT": "bigint",
    "FLOAT": "float",
    "DOUBLE": "double",
    "BOOLEAN": "boolean",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "DATE": "date",
    "BLOB": "binary",
}

_ATHENA = {
    "VARCHAR": "varchar",
    "JSON": "json",
    "TINYINT": "tinyint",
    "SMALLINT": "smallint",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "HUGEINT": "bigint",
    "UBIGINT": "bigint",
    "FLOAT": "real",
    "DOUBLE": "double",
    "BOOLEAN": "boolean",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
    "DATE": "date",
    "TIME": "time",
    "BLOB": "varbinary",
}


class UnknownTypeError(ValueError):
    """The catalog names a type that Athena does not have."""


def duckdb_type(hive: str) -> str:
    """DuckDB's spelling of a catalog type.

    duckdb_type("array<struct<a:int>>")  # STRUCT("a" INTEGER)[]
    """
    text = hive.strip().lower()
    if text.startswith("decimal"):
        return text
    name, _, inner = text.partition("<")
    if inner:
        parts = split(inner.removesuffix(">"))
        if name == "array":
            return f"{duckdb_type(parts[0])}[]"
        if name == "map":
            return f"MAP({duckdb_type(parts[0])}, {duckdb_type(parts[1])})"
        if name == "struct":
            fields = (part.partition(":") for part in parts)
            inside = ", ".join(f'"{key}" {duckdb_type(kind)}' for key, _, kind in fields)
            return f"STRUCT({inside})"
    base = re.sub(r"\(.*\)", "", name)
    if base not in _DUCKDB:
        raise UnknownTypeError(f"HIVE_METASTORE_ERROR: type {hive} is not supported")
    return _DUCKDB[base]


def hive_type(duckdb: str) -> str:
    """The catalog's spelling of a DuckDB type."""
    if duckdb.endswith("[]"):
        return f"array<{hive_type(duckdb[:-2])}>"
    if duckdb.startswith("DECIMAL"):
        return duckdb.lower()
    if duckdb.startswith("MAP("):
        key, value = split(duckdb[4:-1])
        return f"map<{hive_type(key)},{hive_type(value)}>"
    if duckdb.startswith("STRUCT("):
        fields = (part.strip().partition(" ") for part in split(duckdb[7:-1]))
        return f"struct<{','.join(f'{k.strip(chr(34))}:{hive_type(v)}' for k, _, v in fields)}>"
    return _HIVE.get(duckdb, "string")


def athena_type(duckdb: str) -> str:
    """The type that GetQueryResults names for a DuckDB type."""
    if duckdb.endswith("[]"):
        return "array"
    if duckdb.startswith(("STRUCT", "MAP", "DECIMAL")):
        return {"S": "row", "M": "map", "D": "decimal"}[duckdb[0]]
    return _ATHENA.get(duckdb, "varchar")


def split(text: str) -> list[str]:
    """The parts of a list of types, at the commas that are not inside brackets or quotes."""
    parts, depth, quoted, part = [], 0, False, ""
    for character in text:
        quoted ^= character == '"'
        depth += 0 if quoted else (character in "<([") - (character in ">)]")
        if character == "," and depth == 0 and not quoted:
            parts.append(part.strip())
            part = ""
        else:
            part += character
    return [*parts, part.strip()]
