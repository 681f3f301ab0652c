"""The lake's files as tables: their columns, and where each partition of theirs lies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lifecycle.lake.data_lake import DataLake
from pipeline_code.features.definitions import FEATURE_TABLE_TYPES

__all__ = ["LakeTable", "lake_tables"]

PARQUET = {
    "classification": "parquet",
    "input": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "output": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "serde": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
}
JSON_LINES = {
    "classification": "json",
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
class LakeTable:
    """One table.

    Attributes:
        construct_id: Of its resource; a changed one would replace a table that has a name.
        name: What a query calls it.
        columns: Hive type by column.
        partitions: By partition column, how its values are projected.
        location: The URI that all partitions begin with.
        folder: Where a partition lies below it, with `${column}` for its values.
        files: Their format.
    """

    construct_id: str
    name: str
    columns: Mapping[str, str]
    partitions: Mapping[str, Mapping[str, str]]
    location: str
    folder: str
    files: Mapping[str, str]

    @property
    def parameters(self) -> Mapping[str, str]:
        """The table's properties, partition projection among them."""
        return {
            "EXTERNAL": "TRUE",
            "classification": self.files["classification"],
            "projection.enabled": "true",
            **{
                f"projection.{partition}.{name}": value
                for partition, properties in self.partitions.items()
                for name, value in properties.items()
            },
            "storage.location.template": f"{self.location}{self.folder}/",
        }


def lake_tables(lake: DataLake, *, capture_path: str, first_day: str) -> Iterator[LakeTable]:
    """Every table of the lake.

    Args:
        lake: Whose files.
        capture_path: Where captures land in their bucket: `<endpoint>/<variant>`.
        first_day: The earliest day on which transactions are looked for.
    """
    yield from _daily_tables(lake, _projected("DAYS", "yyyy-MM-dd", f"{first_day},NOW+1DAYS"))
    # Not from the first day on: years of hours are more partitions than a query should try.
    hours = f"NOW-{lake.capture_days}DAYS,NOW+1HOURS"
    yield LakeTable(
        construct_id="Captures",
        name="captures",
        columns=CAPTURE_COLUMNS,
        partitions={"captured_hour": _projected("HOURS", "yyyy/MM/dd/HH", hours)},
        location=f"s3://{lake.captures_bucket.bucket_name}/{capture_path}/",
        folder="${captured_hour}",
        files=JSON_LINES,
    )
    # Each execution of the training pipeline leaves its own rows: a query has to name one.
    yield LakeTable(
        construct_id="FeatureRows",
        name="feature_rows",
        columns=FEATURE_TABLE_TYPES,
        partitions={
            "execution": {"type": "injected"},
            "period": {"type": "enum", "values": "train,test"},
        },
        location=f"s3://{lake.features_bucket.bucket_name}/executions/",
        folder="${execution}/features/${period}",
        files=PARQUET,
    )


def _daily_tables(lake: DataLake, days: Mapping[str, str]) -> Iterator[LakeTable]:
    for construct_id, name, columns, partition in (
        ("Transactions", "transactions", TRANSACTION_COLUMNS, "event_date"),
        ("FraudReports", "fraud_reports", FRAUD_REPORT_COLUMNS, "report_date"),
    ):
        yield LakeTable(
            construct_id=construct_id,
            name=name,
            columns=columns,
            partitions={partition: days},
            location=f"s3://{lake.raw_bucket.bucket_name}/{name}/",
            folder=f"{partition}=${{{partition}}}",
            files=PARQUET,
        )


def _projected(unit: str, pattern: str, extent: str) -> Mapping[str, str]:
    return {
        "type": "date",
        "format": pattern,
        "range": extent,
        "interval": "1",
        "interval.unit": unit,
    }
