"""Stage 6, second half: drift starts the training pipeline again."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from lifecycle.data_lake import DataLake
from lifecycle.retraining import Retraining
from stacks.environments import Environment

__all__ = ["RetrainingStack"]


class RetrainingStack(cdk.Stack):
    """The rules and the function that close the loop."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        lake: DataLake,
        drift_alarm: cloudwatch.IAlarm | None,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=environment.resource_name("retraining"),
            description="fraudloop: drift starts the training pipeline",
        )
        retraining = Retraining(
            self,
            "Retraining",
            pipeline_name=environment.training_pipeline_name,
            raw_bucket=lake.raw_bucket,
            drift_alarm=drift_alarm,
            encryption_key=lake.encryption_key,
            config=environment.retraining,
        )
        cdk.CfnOutput(self, "RetrainingFunctionName", value=retraining.function_name)
        cdk.CfnOutput(self, "DeadLetterQueueUrl", value=retraining.dead_letter_queue.queue_url)
