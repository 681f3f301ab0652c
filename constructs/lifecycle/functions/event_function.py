"""A Lambda function that events start, and that loses none of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from lifecycle.alarms.rule_alarm import PERIOD, alarm_on_lost_events
from lifecycle.functions.dead_letters import DeadLetters
from lifecycle.functions.lambda_function import LambdaFunction

__all__ = ["EventFunction"]

RETRIES = 2
PATIENCE = Duration.hours(1)


class EventFunction(Construct):
    """Runs one handler for every event of its rules.

    Guarantees:
        An event whose handler raises, or that cannot be delivered, is retried for an hour and
        then kept for two weeks in an encrypted queue that refuses plain HTTP. One there is an
        alarm, and so is one that could not be kept.

    Args:
        handler: Folder under `pipeline_code/lambdas` whose `handler.handler` is called.
        description: What the function is for.
        encryption_key: Key of the log group and of the dead-letter queue; it must allow
            EventBridge of this account to use it, as DataKey does.
        timeout: When a run is given up.
        environment: The handler's settings.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        handler: str,
        description: str,
        encryption_key: kms.IKey,
        timeout: Duration,
        environment: Mapping[str, str],
    ) -> None:
        super().__init__(scope, construct_id)
        self.dead_letter_queue = DeadLetters(self, "DeadLetters", encryption_key=encryption_key)
        runner = LambdaFunction(
            self,
            "Handler",
            handler=handler,
            description=description,
            encryption_key=encryption_key,
            timeout=timeout,
            environment=environment,
        )
        self.role = runner.role
        self.function = runner.function
        self._rules: list[events.Rule] = []
        self._keep_failures()

    def run_on(self, construct_id: str, *, description: str, pattern: events.EventPattern) -> None:
        """Run the handler for every event that matches."""
        rule = events.Rule(self, construct_id, description=description, event_pattern=pattern)
        self._start_on(rule)

    def run_every(self, construct_id: str, *, description: str, schedule: events.Schedule) -> None:
        """Run the handler at set times."""
        rule = events.Rule(self, construct_id, description=description, schedule=schedule)
        self._start_on(rule)

    @cached_property
    def alarm(self) -> cloudwatch.Alarm:
        """What operators have to hear of; read it when all rules are defined."""
        queue = self.dead_letter_queue
        return alarm_on_lost_events(
            self,
            "Lost",
            rule_names=[rule.rule_name for rule in self._rules],
            more={"kept": queue.waiting(PERIOD)},
            description=f"Events have not been handled: see the log of "
            f"{self.function.function_name}, do by hand what it was to do, then empty the queue "
            f"{queue.queue_name}. If nothing is in the queue, EventBridge could not put them "
            "there: see whether the policies of queue and key let it",
        )

    def _start_on(self, rule: events.Rule) -> None:
        if "alarm" in self.__dict__:
            raise ValueError(f"{rule.node.id} must be defined before alarm is read")
        rule.add_target(self._target())
        self._rules.append(rule)

    def _keep_failures(self) -> None:
        self.dead_letter_queue.allow_writing(self.role)
        failures = lambda_.CfnEventInvokeConfig(
            self,
            "Failures",
            function_name=self.function.function_name,
            qualifier="$LATEST",
            maximum_retry_attempts=RETRIES,
            maximum_event_age_in_seconds=PATIENCE.to_seconds(),
            destination_config=lambda_.CfnEventInvokeConfig.DestinationConfigProperty(
                on_failure=lambda_.CfnEventInvokeConfig.OnFailureProperty(
                    destination=self.dead_letter_queue.queue_arn
                )
            ),
        )
        # Lambda refuses a destination that the role may not yet write to.
        failures.node.add_dependency(self.role)

    def _target(self) -> targets.LambdaFunction:
        return targets.LambdaFunction(
            self.function,
            dead_letter_queue=self.dead_letter_queue,
            retry_attempts=RETRIES,
            max_event_age=PATIENCE,
        )
