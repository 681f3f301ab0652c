"""The lake as SQL sees it: Glue tables and the Athena workgroup that reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from aws_cdk import Stack
from aws_cdk import aws_athena as athena
from aws_cdk import aws_glue as glue
from constructs import Construct

from lifecycle.data_lake import QUERY_RESULTS_PREFIX, DataLake

__all__ = ["Catalog", "CatalogConfig"]

PARQUET = {
    "input": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "output": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "serde": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
}
JSON_LINES = {
    "input": "org.apache.hadoop.mapred.TextInputFormat",
    "output": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    "serde": "org.openx.data.jsonserde.JsonSerDe",
}
TRANSACTION_COLUMNS = {
    "transaction_id": "bigint",
    "event_time": "timestamp",
    "customer_id": "bigint",
    "terminal_id": "bigint",
    "amount_minor": "bigint",
}
FRAUD_REPORT_COLUMNS = {
    "transaction_id": "bigint",
    "customer_id": "bigint",
    "terminal_id": "bigint",
    "event_time": "timestamp",
    "report_time": "timestamp",
    "fraud_scenario": "tinyint",
}
_PAYLOAD = "struct<observedcontenttype:string,mode:string,data:string,encoding:string>"
# Hive keeps names in lower case; the JSON SerDe finds captureData and its like whatever their case.
CAPTURE_COLUMNS = {
    "capturedata": f"struct<endpointinput:{_PAYLOAD},endpointoutput:{_PAYLOAD}>",
    "eventmetadata": "struct<eventid:string,inferenceid:string,inferencetime:string>",
    "eventversion": "string",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogConfig:
    """What a query may cost and how far back partitions are looked for.

    Attributes:
        scan_limit_mib: A query that reads more is cancelled.
        first_day: The earliest day, as YYYY-MM-DD, on which transactions are looked for; captures
            are looked for as long as the lake keeps them.
    """

    scan_limit_mib: int = 100 * 1024
    first_day: str = "2018-01-01"

    def __post_init__(self) -> None:
        smallest = 10
        if self.scan_limit_mib < smallest:
            raise ValueError(
                f"scan_limit_mib must be at least {smallest}, got {self.scan_limit_mib}; "
                "Athena accepts no lower limit"
            )
        try:
            date.fromisoformat(self.first_day)
        except ValueError:
            raise ValueError(
                f"first_day must be a date like 2018-01-01, got {self.first_day}; "
                "give the earliest day of the data"
            ) from None


class Catalog(Construct):
    """Names the lake's files as tables and lets Athena query them.

    Guarantees:
        A new day, or hour of captures, is queryable at once: partitions are projected, not
        crawled.
        Results are encrypted under the lake's key, and no client can choose otherwise.
        A query that would read more than the limit is cancelled.

    Args:
        lake: Whose files.
        database_name: The Glue database.
        workgroup_name: The Athena workgroup.
        capture_path: Where captures land in their bucket: `<endpoint>/<variant>`.
        config: The scan limit and the first projected day.
        delete_with_stack: Whether the workgroup goes even if it holds saved queries.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        lake: DataLake,
        database_name: str,
        workgroup_name: str,
        capture_path: str,
        config: CatalogConfig,
        delete_with_stack: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        self._config = config
        self.database_name = database_name
        self.workgroup_name = workgroup_name
        self._database = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=Stack.of(self).account,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=database_name, description="The fraud-detection data lake"
            ),
        )
        self._define_daily_table(
            "Transactions", "transactions", TRANSACTION_COLUMNS, "event_date", lake
        )
        self._define_daily_table(
            "FraudReports", "fraud_reports", FRAUD_REPORT_COLUMNS, "report_date", lake
        )
        self._define_captures_table(lake, capture_path)
        self._define_workgroup(lake, delete_with_stack=delete_with_stack)

    def _define_daily_table(
        self,
        construct_id: str,
        name: str,
        columns: Mapping[str, str],
        partition: str,
        lake: DataLake,
    ) -> None:
        location = f"s3://{lake.raw_bucket.bucket_name}/{name}"
        self._define_table(
            construct_id,
            name=name,
            columns=columns,
            partition=partition,
            location=f"{location}/",
            files=PARQUET,
            parameters={
                "classification": "parquet",
                f"projection.{partition}.format": "yyyy-MM-dd",
                f"projection.{partition}.range": f"{self._config.first_day},NOW+1DAYS",
                f"projection.{partition}.interval.unit": "DAYS",
                "storage.location.template": f"{location}/{partition}=${{{partition}}}/",
            },
        )

    def _define_captures_table(self, lake: DataLake, capture_path: str) -> None:
        location = f"s3://{lake.captures_bucket.bucket_name}/{capture_path}"
        # Not from the first day on: years of hours are more partitions than a query should try.
        hours = f"NOW-{lake.capture_days}DAYS,NOW+1HOURS"
        self._define_table(
            "Captures",
            name="captures",
            columns=CAPTURE_COLUMNS,
            partition="captured_hour",
            location=f"{location}/",
            files=JSON_LINES,
            parameters={
                "classification": "json",
                "projection.captured_hour.format": "yyyy/MM/dd/HH",
                "projection.captured_hour.range": hours,
                "projection.captured_hour.interval.unit": "HOURS",
                "storage.location.template": f"{location}/${{captured_hour}}/",
            },
        )

    def _define_table(
        self,
        construct_id: str,
        *,
        name: str,
        columns: Mapping[str, str],
        partition: str,
        location: str,
        files: Mapping[str, str],
        parameters: Mapping[str, str],
    ) -> None:
        table = glue.CfnTable(
            self,
            construct_id,
            catalog_id=Stack.of(self).account,
            database_name=self.database_name,
            table_input=glue.CfnTable.TableInputProperty(
                name=name,
                table_type="EXTERNAL_TABLE",
                partition_keys=_columns({partition: "string"}),
                parameters={
                    "EXTERNAL": "TRUE",
                    "projection.enabled": "true",
                    f"projection.{partition}.type": "date",
                    f"projection.{partition}.interval": "1",
                    **parameters,
                },
                storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                    columns=_columns(columns),
                    location=location,
                    input_format=files["input"],
                    output_format=files["output"],
                    serde_info=glue.CfnTable.SerdeInfoProperty(
                        serialization_library=files["serde"]
                    ),
                ),
            ),
        )
        table.node.add_dependency(self._database)

    def _define_workgroup(self, lake: DataLake, *, delete_with_stack: bool) -> None:
        athena.CfnWorkGroup(
            self,
            "Workgroup",
            name=self.workgroup_name,
            recursive_delete_option=delete_with_stack,
            work_group_configuration=athena.CfnWorkGroup.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                publish_cloud_watch_metrics_enabled=True,
                bytes_scanned_cutoff_per_query=self._config.scan_limit_mib * 1024 * 1024,
                result_configuration=athena.CfnWorkGroup.ResultConfigurationProperty(
                    output_location=lake.artifacts_bucket.s3_url_for_object(QUERY_RESULTS_PREFIX),
                    encryption_configuration=athena.CfnWorkGroup.EncryptionConfigurationProperty(
                        encryption_option="SSE_KMS", kms_key=lake.encryption_key.key_arn
                    ),
                ),
            ),
        )


def _columns(types: Mapping[str, str]) -> list[glue.CfnTable.ColumnProperty]:
    return [glue.CfnTable.ColumnProperty(name=name, type=kind) for name, kind in types.items()]
