"""Stage 6, second half: drift starts the training pipeline again."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from lifecycle.lake import DataLake
from lifecycle.retraining import Retraining
from pipeline_code.contracts.outputs import Output, function_output, queue_output
from pipeline_code.contracts.resources import Stage
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
            stack_name=environment.resource_name(Stage.RETRAINING),
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
            function_output("Retraining"): trigger.function.function_name,
            queue_output("Retraining"): trigger.queue.queue_url,
            queue_output("Retraining", "Failures"): trigger.dead_letter_queue.queue_url,
            queue_output("Retraining", "Undelivered"): trigger.undelivered_queue.queue_url,
            Output.RETRAINING_STATE_PARAMETER: environment.retraining_state_parameter_name,
        }.items():
            cdk.CfnOutput(self, name, value=value)
