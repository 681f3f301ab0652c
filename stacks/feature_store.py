"""Stage 2: what is known of each customer and terminal, for training and for serving."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from lifecycle.features import FeatureStore
from lifecycle.lake import DataLake
from pipeline_code.contracts.outputs import Output
from pipeline_code.contracts.resources import Stage
from stacks.environments import Environment

__all__ = ["FeatureStoreStack"]


class FeatureStoreStack(cdk.Stack):
    """The feature groups of customers and terminals."""

    def __init__(
        self, scope: Construct, construct_id: str, *, environment: Environment, lake: DataLake
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=environment.resource_name(Stage.FEATURE_STORE),
            description="fraudloop: feature groups, online and offline",
            termination_protection=not environment.may_delete_data,
        )
        self.store = FeatureStore(
            self,
            "Store",
            bucket=lake.features_bucket,
            encryption_key=lake.encryption_key,
            group_name=environment.feature_group_name,
            role_name=environment.resource_name(Stage.FEATURE_STORE),
            config=environment.feature_store,
            may_delete_data=environment.may_delete_data,
        )
        cdk.CfnOutput(self, Output.CUSTOMER_FEATURE_GROUP, value=self.store.customer_group_name)
        cdk.CfnOutput(self, Output.TERMINAL_FEATURE_GROUP, value=self.store.terminal_group_name)
