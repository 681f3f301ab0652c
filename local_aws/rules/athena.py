"""Athena: queries of a workgroup that is not there."""

from collections.abc import Mapping
from typing import Any

from local_aws.adapter import lookups
from local_aws.adapter.operations import Refusal


def _workgroup_there(given: Mapping[str, Any]) -> Refusal | None:
    name = str(given.get("WorkGroup") or "primary")
    if not lookups.workgroup_exists(name):
        # Athena User Guide, "Troubleshoot workgroups", as the next one.
        return Refusal("InvalidRequestException", f"WorkGroup {name} is not found.", 400)
    return None


def _start(given: Mapping[str, Any]) -> Refusal | None:
    refused = _workgroup_there(given)
    name = str(given.get("WorkGroup") or "primary")
    if refused is None and not lookups.workgroup_enabled(name):
        return Refusal("InvalidRequestException", f"WorkGroup {name} is disabled.", 400)
    return refused


def _query_there(given: Mapping[str, Any]) -> Refusal | None:
    query = str(given["QueryExecutionId"])
    if lookups.query_exists(query):
        return None
    return Refusal("InvalidRequestException", f"QueryExecution {query} was not found", 400)


RULES = {
    "CreateNamedQuery": _workgroup_there,
    "CreatePreparedStatement": _workgroup_there,
    "DeleteWorkGroup": _workgroup_there,
    "GetWorkGroup": _workgroup_there,
    "ListPreparedStatements": _workgroup_there,
    "ListQueryExecutions": _workgroup_there,
    "StartQueryExecution": _start,
    "StopQueryExecution": _query_there,
}
