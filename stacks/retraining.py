"""Stage 6, second half: drift starts the training pipeline again."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from lifecycle.lake import DataLake
from lifecycle.retraining import Retraining
from stacks.environments import Environment

__all__ = ["RetrainingStack"]


class RetrainingStack(cdk.Stack):
    """The rules, the queue and the function that close the loop."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        lake: DataLake,
        quality_alarm: cloudwatch.IAlarm | None,
        alarm_topic: sns.ITopic,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=environment.resource_name("retraining"),
            description="fraudloop: drift starts the training pipeline",
        )
        self.retraining = Retraining(
            self,
            "Retraining",
            pipeline_name=environment.training_pipeline_name,
            raw_bucket=lake.raw_bucket,
            state_parameter_name=environment.retraining_state_parameter_name,
            endpoint_name=environment.endpoint_name,
            metric_namespace=environment.metric_namespace,
            quality_alarm=quality_alarm,
            encryption_key=lake.encryption_key,
            config=environment.retraining,
        )
        for alarm in self.retraining.alarms:
            alarm.add_alarm_action(actions.SnsAction(alarm_topic))
        self._define_outputs(environment)

    def _define_outputs(self, environment: Environment) -> None:
        trigger = self.retraining.trigger
        for name, value in {
            "RetrainingFunctionName": trigger.function.function_name,
            "RetrainingQueueUrl": trigger.queue.queue_url,
            "RetrainingFailuresQueueUrl": trigger.dead_letter_queue.queue_url,
            "RetrainingUndeliveredQueueUrl": trigger.undelivered_queue.queue_url,
            "RetrainingStateParameterName": environment.retraining_state_parameter_name,
        }.items():
            cdk.CfnOutput(self, name, value=value)
