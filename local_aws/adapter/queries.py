"""Puts a query engine of ours behind ministack's Athena."""

import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ministack.core import concurrency, responses
from ministack.services import athena

from local_aws.adapter.keys import encryption

logger = logging.getLogger("fraudloop.athena")

# The only one that there is ("Athena engine versioning").
_ENGINE = {
    "SelectedEngineVersion": "AUTO",
    "EffectiveEngineVersion": "Athena engine version 3",
}
# "CREATE TABLE t WITH (...) AS SELECT": ministack takes it for DDL that lacks EXTERNAL.
_CREATE_AS = re.compile(r"\s*create\s+table\b.*\bas\s*\(?\s*(select|with|values)\b", re.I | re.S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One statement to execute.

    Attributes:
        output: S3 address of the result file, `s3://bucket/prefix/<id>.csv`.
        scan_limit: Bytes of data that the workgroup lets a query read, if it limits them.
        encrypted: S3's headers of the result's encryption, if it is not the bucket's.
    """

    query_id: str
    sql: str
    database: str
    workgroup: str
    output: str
    parameters: tuple[str, ...] = ()
    scan_limit: int | None = None
    encrypted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a statement answers; a cell is Athena's text, or None for NULL."""

    columns: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    rows: list[list[str | None]] = field(default_factory=list)
    scanned: int = 0


class QueryCancelledError(Exception):
    """The service stops a query, which is not the query's failure."""


def replace_query_engine(execute: Callable[[Query], Result]) -> None:
    """Execute all statements but ministack's own table DDL with a function of ours.

    Args:
        execute: Called in a thread. Any exception fails the query with its message.
    """
    parse_ddl, start = athena._parse_ddl, athena._start_query_execution

    async def execute_query(
        query_id: str, query: str, database: str, ddl: Any, _catalog: str | None = None
    ) -> None:
        execution = athena._executions[query_id]
        execution["Status"]["State"] = "RUNNING"
        started = time.time()
        try:
            if ddl is not None:
                athena._run_ddl(ddl, database)
                result = Result()
            else:
                result = await concurrency.run_reentrant(
                    execute, _query(execution, query), thread_name="fraudloop-athena"
                )
        except QueryCancelledError as error:
            execution["Status"].update(State="CANCELLED", StateChangeReason=str(error))
        except Exception as error:
            logger.info("query %s failed: %s", query_id, error)
            execution["Status"].update(State="FAILED", StateChangeReason=str(error)[:2000])
        else:
            _finish(execution, result, started)
        execution["Status"]["CompletionDateTime"] = int(time.time())

    def start_query_execution(data: dict[str, Any]) -> Any:
        status, headers, body = start(_with_output(data))
        if status == 200:  # noqa: PLR2004 - HTTP's OK
            execution = athena._executions[json.loads(body)["QueryExecutionId"]]
            execution["ExecutionParameters"] = data.get("ExecutionParameters", [])
            execution["_encrypted"] = _encrypted(data)
        return status, headers, body

    athena._execute_query = execute_query
    athena._start_query_execution = start_query_execution
    athena._parse_ddl = lambda query: None if _CREATE_AS.match(query) else parse_ddl(query)


def _with_output(data: dict[str, Any]) -> dict[str, Any]:
    """The request with the result folder that counts: the workgroup's, if it insists on it."""
    configured = _configuration(data.get("WorkGroup", "primary"))
    wanted = data.get("ResultConfiguration", {}).get("OutputLocation")
    fixed = configured.get("ResultConfiguration", {}).get("OutputLocation")
    insists = str(configured["EnforceWorkGroupConfiguration"]).lower() == "true"
    location = fixed if fixed and (insists or not wanted) else wanted
    if not location:
        return data
    folder = location if location.endswith("/") else f"{location}/"
    return {**data, "ResultConfiguration": {"OutputLocation": folder}}


def _encrypted(data: dict[str, Any]) -> dict[str, str]:
    """The headers of the encryption that counts: the workgroup's, if it insists on its own."""
    configured = _configuration(data.get("WorkGroup", "primary"))
    insists = str(configured["EnforceWorkGroupConfiguration"]).lower() == "true"
    sources = [configured.get("ResultConfiguration", {})]
    sources += [] if insists else [data.get("ResultConfiguration", {})]
    wanted = sources[-1].get("EncryptionConfiguration") or {}
    match wanted.get("EncryptionOption"):
        case "SSE_S3":
            return {encryption.ALGORITHM: "AES256"}
        case "SSE_KMS":
            return {encryption.ALGORITHM: "aws:kms", encryption.KEY_ID: wanted.get("KmsKey", "")}
    return {}


def check_readers(may_read: Callable[[str], None]) -> None:
    """Check who reads results.

    Args:
        may_read: Given a result file's S3 address, raises a PermissionError.
    """
    inner = athena._get_query_results

    def get_query_results(data: dict[str, Any]) -> Any:
        execution = athena._executions.get(data.get("QueryExecutionId")) or {}
        output = (execution.get("ResultConfiguration") or {}).get("OutputLocation")
        if output and (execution.get("Status") or {}).get("State") == "SUCCEEDED":
            try:
                may_read(output)
            except PermissionError as error:
                return responses.error_response_json("InvalidRequestException", str(error), 400)
        return inner(data)

    athena._get_query_results = get_query_results


def _query(execution: dict[str, Any], sql: str) -> Query:
    workgroup = execution["WorkGroup"]
    limit = _configuration(workgroup).get("BytesScannedCutoffPerQuery")
    return Query(
        query_id=execution["QueryExecutionId"],
        sql=sql,
        database=execution["QueryExecutionContext"]["Database"],
        workgroup=workgroup,
        output=execution["ResultConfiguration"]["OutputLocation"],
        parameters=tuple(execution.get("ExecutionParameters") or ()),
        scan_limit=None if limit is None else int(limit),
        encrypted=execution.get("_encrypted") or {},
    )


def _configuration(workgroup: str) -> dict[str, Any]:
    """A workgroup's settings, and whether they count before a request's: of the primary not."""
    configuration: dict[str, Any] = athena._workgroups.get(workgroup, {}).get("Configuration", {})
    return {"EnforceWorkGroupConfiguration": workgroup != "primary", **configuration}


def _finish(execution: dict[str, Any], result: Result, started: float) -> None:
    elapsed = int((time.time() - started) * 1000)
    execution["_results"] = {"columns": list(result.columns), "rows": result.rows}
    execution["_column_types"] = list(result.types)
    execution["Statistics"].update(
        DataScannedInBytes=result.scanned,
        EngineExecutionTimeInMillis=elapsed,
        TotalExecutionTimeInMillis=elapsed,
    )
    execution["Status"]["State"] = "SUCCEEDED"


def workgroup_of(query_id: str) -> str | None:
    """The workgroup that a query was started in."""
    execution = athena._executions.get(query_id)
    return None if execution is None else str(execution["WorkGroup"])


def prepared_statement(workgroup: str, name: str) -> str | None:
    """The text of a prepared statement."""
    record = athena._prepared_statements.get(f"{workgroup}/{name}")
    return None if record is None else str(record["QueryStatement"])


def prepare_statement(workgroup: str, name: str, sql: str) -> None:
    """Keep a prepared statement."""
    request = {"WorkGroup": workgroup, "StatementName": name, "QueryStatement": sql}
    athena._create_prepared_statement(request)


def deallocate_statement(workgroup: str, name: str) -> None:
    """Forget a prepared statement."""
    athena._delete_prepared_statement({"WorkGroup": workgroup, "StatementName": name})


def describe_workgroups() -> None:
    """Tell a workgroup's settings that nobody gave, as Athena does (recorded: moto, test_athena).

    "EnforceWorkGroupConfiguration ... The default is true" (API Reference, of new workgroups).
    """
    inner = athena._get_workgroup

    def get_workgroup(data: Any) -> Any:
        status, headers, body = inner(data)
        document = json.loads(body)
        if "WorkGroup" in document:
            known = document["WorkGroup"]
            known["Configuration"] = {
                "ResultConfiguration": {},
                "PublishCloudWatchMetricsEnabled": False,
                "RequesterPaysEnabled": False,
                "EnableMinimumEncryptionConfiguration": False,
                **_configuration(known["Name"]),
                "EngineVersion": _ENGINE,
            }
        return status, headers, json.dumps(document).encode()

    athena._get_workgroup = get_workgroup
