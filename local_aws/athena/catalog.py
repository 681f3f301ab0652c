"""Tables of the Glue catalog and the objects that hold their rows."""

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from local_aws import adapter
from local_aws.adapter import glue
from local_aws.athena.projection import Projection
from local_aws.athena.pruning import Condition

_VIEW_TEXT = re.compile(r"/\* Presto View: (\S+) \*/")


class TableNotFoundError(ValueError):
    """There is no such table in the catalog."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """An object with rows, and the values of its partition's columns."""

    bucket: str
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table or view of the catalog; names are in lower case, types are Hive's."""

    database: str
    name: str
    columns: tuple[tuple[str, str], ...]
    keys: tuple[tuple[str, str], ...]
    location: str
    format: str
    properties: Mapping[str, str] = field(default_factory=dict)
    serde_properties: Mapping[str, str] = field(default_factory=dict)
    view: str | None = None

    @property
    def key_names(self) -> tuple[str, ...]:
        return tuple(name for name, _type in self.keys)

    @property
    def projected(self) -> bool:
        return self.properties.get("projection.enabled", "").lower() == "true"

    def files(self, conditions: Sequence[Condition]) -> Iterator[DataFile]:
        """The objects that may hold rows that satisfy the conditions."""
        if not self.keys:
            for bucket, key in _objects(self.location):
                yield DataFile(bucket, key, ())
        elif self.projected:
            yield from self._projected_files(conditions)
        else:
            for values, location in glue.partitions(self.database, self.name):
                if self._wanted(values, conditions):
                    for bucket, key in _objects(location):
                        yield DataFile(bucket, key, values)

    def partition_values(self) -> list[tuple[str, ...]]:
        """The partitions there are, sorted."""
        if self.projected:
            return sorted({file.values for file in self._projected_files(())})
        return sorted(values for values, _ in glue.partitions(self.database, self.name))

    def _projected_files(self, conditions: Sequence[Condition]) -> Iterator[DataFile]:
        default = self.location + "".join(f"{key}=${{{key}}}/" for key in self.key_names)
        template = self.properties.get("storage.location.template", default)
        projection = Projection(template, self.properties, self.key_names)
        projection.check(conditions)
        matcher, known = projection.matcher(), {}
        for bucket, key in _objects(projection.static_prefix(), whole_folder=False):
            matched = matcher.match(f"s3://{bucket}/{key}")
            if matched is None:
                continue
            values = tuple(matched[name] for name in self.key_names)
            if values not in known:
                named = zip(self.key_names, values, strict=True)
                known[values] = self._wanted(values, conditions) and all(
                    projection.allows(name, value) for name, value in named
                )
            if known[values]:
                yield DataFile(bucket, key, values)

    def _wanted(self, values: tuple[str, ...], conditions: Sequence[Condition]) -> bool:
        types = dict(self.keys)
        named = dict(zip(self.key_names, values, strict=True))
        return all(c.holds(named[c.column], types[c.column]) for c in conditions)

    def discover_partitions(self) -> None:
        """Register the partitions whose folders are named `column=value` (MSCK REPAIR TABLE)."""
        bucket, prefix = split_address(self.location)
        pattern = re.compile(
            re.escape(prefix) + "".join(f"{key}=([^/]+)/" for key in self.key_names)
        )
        found = {m.groups(): m[0] for _, k in _objects(self.location) if (m := pattern.match(k))}
        for values, folder in sorted(found.items()):
            glue.add_partition(self.database, self.name, values, f"s3://{bucket}/{folder}")


def get_table(database: str, name: str) -> Table:
    """A table by name.

    Raises:
        TableNotFoundError: If the catalog has none.
        PermissionError: If whoever started the query may not get it.
    """
    glue.check_table("GetTable", database.lower(), name.lower())
    record = glue.get_table(database.lower(), name.lower())
    if record is None:
        raise TableNotFoundError(
            f"TABLE_NOT_FOUND: Table 'awsdatacatalog.{database}.{name}' does not exist"
        )
    storage = record.get("StorageDescriptor") or {}
    serde = storage.get("SerdeInfo") or {}
    location = storage.get("Location") or ""
    return Table(
        database=record["DatabaseName"],
        name=record["Name"],
        columns=_columns(storage.get("Columns")),
        keys=_columns(record.get("PartitionKeys")),
        location=location if location.endswith("/") else f"{location}/",
        format=_format(serde.get("SerializationLibrary") or ""),
        properties=record.get("Parameters") or {},
        serde_properties=serde.get("Parameters") or {},
        view=_view(record) if record.get("TableType") == "VIRTUAL_VIEW" else None,
    )


def view_text(sql: str, database: str) -> str:
    """How the catalog keeps a view's query."""
    document = {"originalSql": sql, "catalog": "awsdatacatalog", "schema": database}
    return f"/* Presto View: {base64.b64encode(json.dumps(document).encode()).decode()} */"


def split_address(address: str) -> tuple[str, str]:
    """Bucket and key of an s3:// address."""
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return bucket, key


def _columns(records: Sequence[Mapping[str, str]] | None) -> tuple[tuple[str, str], ...]:
    return tuple((column["Name"].lower(), column["Type"]) for column in records or ())


def _view(record: Mapping[str, str]) -> str:
    text = record.get("ViewOriginalText") or ""
    encoded = _VIEW_TEXT.fullmatch(text.strip())
    return text if encoded is None else json.loads(base64.b64decode(encoded[1]))["originalSql"]


def _format(serialization_library: str) -> str:
    for word in ("parquet", "json", "csv"):
        if word in serialization_library.lower():
            return word
    return "text"


def _objects(address: str, *, whole_folder: bool = True) -> Iterator[tuple[str, str]]:
    """The objects with data under an address; Athena skips those named `_...` and `....`."""
    bucket, prefix = split_address(address)
    if whole_folder and prefix and not prefix.endswith("/"):
        prefix += "/"
    for key in adapter.list_objects(bucket, prefix):
        name = key.rsplit("/", 1)[-1]
        if name and not name.startswith(("_", ".")):
            yield bucket, key
