"""The Glue catalog as ministack keeps it."""

import json
from typing import Any

from ministack.core import responses
from ministack.services import glue

from local_aws.adapter.keys import keyed

TableRecord = dict[str, Any]


def database_names() -> list[str]:
    """All databases, sorted."""
    return sorted(glue._databases)


def table_names(database: str) -> list[str]:
    """A database's tables and views, sorted."""
    check("GetTables", f"database/{database}", f"table/{database}/*")
    prefix = f"{database}/"
    return sorted(key.removeprefix(prefix) for key in glue._tables if key.startswith(prefix))


def get_table(database: str, name: str) -> TableRecord | None:
    """A table as GetTable gives it."""
    record: TableRecord | None = glue._tables.get(f"{database}/{name}")
    return record


def check(action: str, *ends: str) -> None:
    """Refuse what whoever started the query may not do in the catalog.

    "You need permissions to call this action on the resource ... and all ancestors of the resource
    in the Data Catalog" (Athena User Guide, "Fine-grained access to databases and tables in the AWS
    Glue Data Catalog").

    Args:
        action: Such as `GetTable`.
        ends: The resources below the catalog, such as `database/lake`.

    Raises:
        PermissionError: With Athena's words.
    """
    caller = keyed.current_caller()
    place = f"arn:aws:glue:{responses.get_region()}:{responses.get_account_id()}"
    for end in ("catalog", *ends):
        why = None if caller is None else caller.denied(f"glue:{action}", f"{place}:{end}")
        if why is not None:
            raise PermissionError(f"Insufficient permissions to execute the query. {why}")


def check_table(action: str, database: str, name: str) -> None:
    """Refuse what whoever started the query may not do with a table.

    Raises:
        PermissionError: With Athena's words.
    """
    check(action, f"database/{database}", f"table/{database}/{name}")


def put_table(database: str, table_input: dict[str, Any]) -> None:
    """Create a table, in place of one of the same name.

    Raises:
        ValueError: If there is no such database.
    """
    check_table("CreateTable", database, table_input["Name"])
    delete_table(database, table_input["Name"])
    _call(glue._create_table, {"DatabaseName": database, "TableInput": table_input})


def delete_table(database: str, name: str) -> None:
    """Delete a table if there is one."""
    if get_table(database, name) is not None:
        check_table("DeleteTable", database, name)
        _call(glue._delete_table, {"DatabaseName": database, "Name": name})


def create_database(name: str) -> None:
    """Create a database.

    Raises:
        ValueError: If it exists.
    """
    check("CreateDatabase", f"database/{name}")
    _call(glue._create_database, {"DatabaseInput": {"Name": name}})


def delete_database(name: str) -> None:
    """Delete a database with its tables.

    Raises:
        ValueError: If there is no such database.
    """
    # "and all the tables and user defined functions, which are its descendents".
    below = (f"{kind}/{name}/*" for kind in ("table", "userDefinedFunction"))
    check("DeleteDatabase", f"database/{name}", *below)
    _call(glue._delete_database, {"Name": name})


def partitions(database: str, name: str) -> list[tuple[tuple[str, ...], str]]:
    """The registered partitions of a table: values and location."""
    check_table("GetPartitions", database, name)
    return [
        (tuple(record["Values"]), record.get("StorageDescriptor", {}).get("Location", ""))
        for record in glue._partitions.get(f"{database}/{name}", ())
    ]


def add_partition(database: str, name: str, values: tuple[str, ...], location: str) -> bool:
    """Register a partition.

    Returns:
        Whether it was new.
    """
    record = get_table(database, name)
    if record is None or values in {known for known, _location in partitions(database, name)}:
        return False
    check_table("BatchCreatePartition", database, name)
    storage = {**record["StorageDescriptor"], "Location": location}
    partition = {"Values": list(values), "StorageDescriptor": storage}
    _call(
        glue._create_partition,
        {"DatabaseName": database, "TableName": name, "PartitionInput": partition},
    )
    return True


def drop_partition(database: str, name: str, values: tuple[str, ...]) -> None:
    """Forget a partition; its objects stay."""
    check_table("DeletePartition", database, name)
    request = {"DatabaseName": database, "TableName": name, "PartitionValues": list(values)}
    _call(glue._delete_partition, request)


def _call(operation: Any, request: dict[str, Any]) -> None:
    status, _headers, body = operation(request)
    if status >= 300:  # noqa: PLR2004 - HTTP's success range
        raise ValueError(json.loads(body).get("message", "the Glue catalog refused it"))
