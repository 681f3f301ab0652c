"""The offline store: pending records written as Parquet to S3 and registered in Glue.

A file holds one hour of event time of one group. AWS writes within fifteen minutes; here a group
is written once it has been quiet for some seconds, or has waited long, or holds many records, so
that a burst of writes does not become thousands of small files.
"""

import contextlib
import io
import logging
import secrets
import string
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import ClientError

from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import ServiceError
from local_aws.sagemaker.feature_store.record_store import Pending, RecordStore

_LOG = logging.getLogger(__name__)

DATABASE = "sagemaker_featurestore"
QUIET_SECONDS = 3.0
LONGEST_SECONDS = 60.0
MANY_RECORDS = 20_000
_PARTITIONS_PER_CALL = 100  # Glue's limit
_PARSED: dict[str, tuple[Callable[[str], Any], pa.DataType]] = {
    "String": (str, pa.string()),
    "Integral": (int, pa.int64()),
    "Fractional": (float, pa.float64()),
}
_HIVE = {"String": "string", "Integral": "bigint", "Fractional": "double"}
_ADDED = (
    ("write_time", "timestamp", pa.timestamp("us")),
    ("api_invocation_time", "timestamp", pa.timestamp("us")),
    ("is_deleted", "boolean", pa.bool_()),
)
_PARTITION_KEYS = ("year", "month", "day", "hour")
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


class OfflineStore:
    """Writes what is pending, in a thread of its own, as the role of each group.

    Args:
        records: Where the pending records are.
        group: Gives a group's document by name, or raises.
    """

    def __init__(
        self, context: Context, records: RecordStore, group: Callable[[str], dict[str, Any]]
    ) -> None:
        self._context = context
        self._records = records
        self._group = group
        self._writing = threading.Lock()
        self._started = False

    def start(self) -> None:
        """Begin to watch for pending records."""
        if not self._started:
            self._started = True
            threading.Thread(target=self._watch, name="offline-store", daemon=True).start()

    def prepare(self, group: dict[str, Any]) -> None:
        """Create the group's Glue table, or bring its columns up to date."""
        config = group["OfflineStoreConfig"]
        if config.get("DisableGlueTableCreation"):
            return
        catalog = config["DataCatalogConfig"]
        glue = self._context.admin_session().client("glue")
        with contextlib.suppress(glue.exceptions.AlreadyExistsException):
            glue.create_database(DatabaseInput={"Name": catalog["Database"]})
        table = {"DatabaseName": catalog["Database"], "TableInput": _table(group)}
        try:
            glue.create_table(**table)
        except glue.exceptions.AlreadyExistsException:
            glue.update_table(**table)

    def flush(self, name: str | None = None) -> None:
        """Write what is pending now: of one group, or of all."""
        for group, *_ in self._records.waiting():
            if name in (None, group):
                self._write_group(group)

    def _watch(self) -> None:
        while True:
            time.sleep(1.0)
            try:
                now = time.time_ns() // 1000
                for group, count, oldest, newest in self._records.waiting():
                    if (
                        count >= MANY_RECORDS
                        or now - newest >= QUIET_SECONDS * 1_000_000
                        or now - oldest >= LONGEST_SECONDS * 1_000_000
                    ):
                        self._write_group(group)
            except Exception:
                # Nothing is lost: what is pending stays so. Not at once again, though.
                _LOG.warning("the offline store could not be written", exc_info=True)
                time.sleep(10.0)

    def _write_group(self, name: str) -> None:
        with self._writing:
            while rows := self._records.pending(name, MANY_RECORDS):
                group = self._group(name)
                try:
                    self._write(group, rows)
                except (ClientError, ServiceError) as error:
                    self._set_status(name, {"Status": "Blocked", "BlockedReason": str(error)})
                    raise
                self._records.settle(name, rows[-1].seq)
                if group["OfflineStoreStatus"]["Status"] != "Active":
                    self._set_status(name, {"Status": "Active"})

    def _set_status(self, name: str, status: dict[str, str]) -> None:
        self._context.store.update(
            "feature-group", name, lambda document: document.update(OfflineStoreStatus=status)
        )

    def _write(self, group: dict[str, Any], rows: list[Pending]) -> None:
        hours: dict[datetime, list[Pending]] = defaultdict(list)
        for row in rows:
            moment = datetime.fromtimestamp(row.event_us // 1_000_000, UTC)
            hours[moment.replace(minute=0, second=0)].append(row)
        self._context.check_role(group["RoleArn"], None)
        session = self._context.role_session(group["RoleArn"], "FeatureStore")
        s3 = session.client("s3")
        storage = group["OfflineStoreConfig"]["S3StorageConfig"]
        bucket, _, prefix = storage["ResolvedOutputS3Uri"].removeprefix("s3://").partition("/")
        encryption = {}
        if "KmsKeyId" in storage:
            encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": storage["KmsKeyId"]}
        for hour, part in hours.items():
            key = f"{prefix}/{hour:year=%Y/month=%m/day=%d/hour=%H}/{_file_name(part)}"
            body = _parquet(group, part)
            s3.put_object(Bucket=bucket, Key=key, Body=body, **encryption)
        if not group["OfflineStoreConfig"].get("DisableGlueTableCreation"):
            self._register(group, sorted(hours))

    def _register(self, group: dict[str, Any], hours: list[datetime]) -> None:
        catalog = group["OfflineStoreConfig"]["DataCatalogConfig"]
        storage = _table(group)["StorageDescriptor"]
        glue = self._context.admin_session().client("glue")
        for start in range(0, len(hours), _PARTITIONS_PER_CALL):
            inputs = [
                {
                    "Values": [f"{hour:%Y}", f"{hour:%m}", f"{hour:%d}", f"{hour:%H}"],
                    "StorageDescriptor": {
                        **storage,
                        "Location": f"{storage['Location']}/{hour:year=%Y/month=%m/day=%d/hour=%H}",
                    },
                }
                for hour in hours[start : start + _PARTITIONS_PER_CALL]
            ]
            # Those that exist already are reported as errors, which is as good.
            glue.batch_create_partition(
                DatabaseName=catalog["Database"],
                TableName=catalog["TableName"],
                PartitionInputList=inputs,
            )


def catalog_config(context: Context, group: dict[str, Any]) -> dict[str, Any]:
    """A group's OfflineStoreConfig with what the service fills in: location and Glue table."""
    config = {**group["OfflineStoreConfig"]}
    created = int(group["CreationTime"])
    name = group["FeatureGroupName"]
    root = config["S3StorageConfig"]["S3Uri"].rstrip("/")
    config["S3StorageConfig"] = {
        **config["S3StorageConfig"],
        "ResolvedOutputS3Uri": f"{root}/{context.account}/sagemaker/{context.region}"
        f"/offline-store/{name}-{created}/data",
    }
    if not config.get("DisableGlueTableCreation"):
        config.setdefault(
            "DataCatalogConfig",
            {
                "TableName": f"{name}_{created}".lower().replace("-", "_"),
                "Catalog": "AwsDataCatalog",
                "Database": DATABASE,
            },
        )
    return config


def _table(group: dict[str, Any]) -> dict[str, Any]:
    config = group["OfflineStoreConfig"]
    columns = [
        {"Name": feature["FeatureName"].lower(), "Type": _HIVE[feature["FeatureType"]]}
        for feature in group["FeatureDefinitions"]
    ]
    columns += [{"Name": name, "Type": hive} for name, hive, _ in _ADDED]
    return {
        "Name": config["DataCatalogConfig"]["TableName"],
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet"},
        "PartitionKeys": [{"Name": key, "Type": "string"} for key in _PARTITION_KEYS],
        "StorageDescriptor": {
            "Columns": columns,
            "Location": config["S3StorageConfig"]["ResolvedOutputS3Uri"],
            "InputFormat": f"{_PARQUET}.MapredParquetInputFormat",
            "OutputFormat": f"{_PARQUET}.MapredParquetOutputFormat",
            "SerdeInfo": {"SerializationLibrary": f"{_PARQUET}.serde.ParquetHiveSerDe"},
        },
    }


def _parquet(group: dict[str, Any], rows: list[Pending]) -> bytes:
    columns: dict[str, pa.Array] = {}
    for feature in group["FeatureDefinitions"]:
        name, kind = feature["FeatureName"], feature["FeatureType"]
        parse, arrow = _PARSED[kind]
        values = (row.values.get(name) for row in rows)
        parsed = [None if value is None else parse(value) for value in values]
        columns[name.lower()] = pa.array(parsed, arrow)
    written = pa.array([row.written_us for row in rows], pa.timestamp("us"))
    columns["write_time"] = pa.array([time.time_ns() // 1000] * len(rows), pa.timestamp("us"))
    columns["api_invocation_time"] = written
    columns["is_deleted"] = pa.array([row.deleted for row in rows])
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def _file_name(rows: list[Pending]) -> str:
    newest = datetime.fromtimestamp(max(row.event_us for row in rows) // 1_000_000, UTC)
    alphabet = string.ascii_letters + string.digits
    return f"{newest:%Y%m%dT%H%M%SZ}_{''.join(secrets.choice(alphabet) for _ in range(16))}.parquet"
