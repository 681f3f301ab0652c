"""The lake as SQL sees it: Glue tables and the Athena workgroup that reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from aws_cdk import Stack
from aws_cdk import aws_athena as athena
from aws_cdk import aws_glue as glue
from constructs import Construct

from lifecycle.lake.catalog_tables import LakeTable, lake_tables
from lifecycle.lake.data_lake import QUERY_RESULTS_PREFIX, DataLake

__all__ = ["Catalog", "CatalogConfig"]


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
        A new day, hour of captures or execution's features are queryable at once: partitions are
        projected, not crawled.
        Results are encrypted under the lake's key, and no client can choose otherwise.
        A query that would read more than the limit is cancelled.

    Args:
        lake: Whose files.
        database_name: The Glue database.
        workgroup_name: The Athena workgroup.
        capture_path: Where captures land in their bucket: `<endpoint>/<variant>`.
        config: The scan limit and the first projected day.
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
        for table in lake_tables(lake, capture_path=capture_path, first_day=config.first_day):
            self._define_table(table)
        self._define_workgroup(lake)

    def _define_table(self, table: LakeTable) -> None:
        resource = glue.CfnTable(
            self,
            table.construct_id,
            catalog_id=Stack.of(self).account,
            database_name=self.database_name,
            table_input=glue.CfnTable.TableInputProperty(
                name=table.name,
                table_type="EXTERNAL_TABLE",
                partition_keys=_columns(dict.fromkeys(table.partitions, "string")),
                parameters=table.parameters,
                storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                    columns=_columns(table.columns),
                    location=table.location,
                    input_format=table.files["input"],
                    output_format=table.files["output"],
                    serde_info=glue.CfnTable.SerdeInfoProperty(
                        serialization_library=table.files["serde"]
                    ),
                ),
            ),
        )
        resource.node.add_dependency(self._database)

    def _define_workgroup(self, lake: DataLake) -> None:
        athena.CfnWorkGroup(
            self,
            "Workgroup",
            name=self.workgroup_name,
            # The history of queries is no data, and after the first one the stack could not be
            # deleted: "WorkGroup ... is not empty".
            recursive_delete_option=True,
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
