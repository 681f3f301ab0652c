"""Stage 1: transactions and fraud reports land, are catalogued and can be queried."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from lifecycle.endpoint import VARIANT_NAME
from lifecycle.lake import Catalog, DataLake
from pipeline_code.contracts.outputs import Output
from pipeline_code.contracts.resources import Stage
from stacks.environments import Environment

__all__ = ["DataLakeStack"]


class DataLakeStack(cdk.Stack):
    """The lake, its catalog and its key; every other stage reads from it or writes to it."""

    def __init__(self, scope: Construct, construct_id: str, *, environment: Environment) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=environment.resource_name(Stage.DATA_LAKE),
            description="fraudloop: raw data, features, artifacts and captures",
            termination_protection=not environment.may_delete_data,
        )
        self.lake = DataLake(
            self, "Lake", config=environment.lake, may_delete_data=environment.may_delete_data
        )
        self.catalog = Catalog(
            self,
            "Catalog",
            lake=self.lake,
            database_name=environment.database_name,
            workgroup_name=environment.workgroup_name,
            capture_path=f"{environment.endpoint_name}/{VARIANT_NAME}",
            config=environment.catalog,
        )
        self._define_outputs()

    def _define_outputs(self) -> None:
        lake = self.lake
        cdk.CfnOutput(self, Output.RAW_BUCKET, value=lake.raw_bucket.bucket_name)
        cdk.CfnOutput(self, Output.FEATURES_BUCKET, value=lake.features_bucket.bucket_name)
        cdk.CfnOutput(self, Output.ARTIFACTS_BUCKET, value=lake.artifacts_bucket.bucket_name)
        cdk.CfnOutput(self, Output.CAPTURES_BUCKET, value=lake.captures_bucket.bucket_name)
        cdk.CfnOutput(self, Output.DATABASE, value=self.catalog.database_name)
        cdk.CfnOutput(self, Output.WORKGROUP, value=self.catalog.workgroup_name)
        cdk.CfnOutput(self, Output.ENCRYPTION_KEY, value=lake.encryption_key.key_arn)
