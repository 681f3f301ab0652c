"""The data lake: landing files in it, fingerprinting it, asking Athena about it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from operations import progress
from operations.errors import OperationError
from operations.target import Target
from operations.waiting import looks
from pipeline_code.contracts.outputs import Output
from pipeline_code.contracts.pipelines import FINGERPRINTED_PREFIXES, fingerprint

_UPLOADS_AT_ONCE = 8


@dataclass(frozen=True)
class QueryResult:
    """What Athena returned.

    Attributes:
        rows: Every row as text, as Athena gives it.
        scanned_bytes: What the query read, which is what AWS bills.
        output: S3 URI of the result file.
    """

    columns: list[str]
    rows: list[list[str]]
    scanned_bytes: int
    output: str


def upload(target: Target, folder: Path) -> list[str]:
    """Copy a folder in the raw layout into the raw bucket; returns the keys written."""
    bucket, s3 = target.output(Output.RAW_BUCKET), target.client("s3")
    files = sorted(path for path in folder.rglob("*.parquet"))

    def put(file: Path) -> str:
        key = file.relative_to(folder).as_posix()
        s3.upload_file(str(file), bucket, key)
        return key

    keys = []
    with ThreadPoolExecutor(_UPLOADS_AT_ONCE) as pool:
        for key in pool.map(put, files):
            keys.append(key)
            progress.count("upload", len(keys), len(files), "files")
    return keys


def download(target: Target, prefix: str, folder: Path) -> None:
    """Copy the raw bucket's objects below a prefix into a folder."""
    bucket, s3 = target.output(Output.RAW_BUCKET), target.client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            file = folder / item["Key"]
            file.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, item["Key"], str(file))


def data_version(target: Target) -> str:
    """Fingerprint of all transactions and fraud reports in the lake.

    The retraining Lambda computes the same value, so that the pipeline's step cache is hit
    exactly when no object was added, changed or removed.

    Raises:
        OperationError: If the lake lacks one of them: nothing could be learned.
    """
    bucket, s3 = target.output(Output.RAW_BUCKET), target.client("s3")
    objects: list[tuple[str, str]] = []
    for prefix in FINGERPRINTED_PREFIXES:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        found = [(item["Key"], item["ETag"]) for p in pages for item in p.get("Contents", [])]
        if not found:
            # SageMaker would fail the job whose input is an empty prefix, minutes later.
            raise OperationError(
                f"the lake must hold transactions and reports of frauds, got nothing under "
                f"s3://{bucket}/{prefix}; run `fraudloop ingest`, or let the stream land them"
            )
        objects += found
    return fingerprint(objects)


def query(target: Target, sql: str, *, timeout_seconds: float = 120.0) -> QueryResult:
    """Run one SQL statement in the environment's own Athena workgroup and wait for it.

    Raises:
        OperationError: If the query fails or takes longer than the time allowed.
    """
    athena = target.client("athena")
    query_id = athena.start_query_execution(
        QueryString=sql,
        QueryExecutionContext={"Database": target.output(Output.DATABASE)},
        WorkGroup=target.output(Output.WORKGROUP),
    )["QueryExecutionId"]
    execution = _await_query(athena, query_id, timeout_seconds)
    pages = athena.get_paginator("get_query_results").paginate(QueryExecutionId=query_id)
    rows = [
        [cell.get("VarCharValue", "") for cell in row["Data"]]
        for page in pages
        for row in page["ResultSet"]["Rows"]
    ]
    return QueryResult(
        columns=rows[0] if rows else [],
        rows=rows[1:],
        scanned_bytes=execution["Statistics"].get("DataScannedInBytes", 0),
        output=execution["ResultConfiguration"]["OutputLocation"],
    )


def _await_query(athena: Any, query_id: str, timeout_seconds: float) -> dict[str, Any]:
    for _ in looks(timeout_seconds):
        execution: dict[str, Any] = athena.get_query_execution(QueryExecutionId=query_id)[
            "QueryExecution"
        ]
        state = execution["Status"]["State"]
        if state == "SUCCEEDED":
            return execution
        if state in {"FAILED", "CANCELLED"}:
            reason = execution["Status"].get("StateChangeReason", state)
            raise OperationError(f"Athena query {query_id} failed: {reason}")
    athena.stop_query_execution(QueryExecutionId=query_id)
    raise OperationError(
        f"Athena query must end within {timeout_seconds:.0f} s, got no answer; it was stopped"
    )
