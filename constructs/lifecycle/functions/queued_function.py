"""A Lambda function that works off a queue of events, never two invocations at a time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from lifecycle.access.key_use import allow_through
from lifecycle.alarms.metric_alarm import alarm_above
from lifecycle.alarms.rule_alarm import alarm_on_lost_events
from lifecycle.functions.dead_letters import DeadLetters, EncryptedQueue
from lifecycle.functions.lambda_function import LambdaFunction

__all__ = ["QueuedFunction"]

# All messages are of one group: the queue gives the next one out when the last one is done.
MESSAGE_GROUP = "all"
# EventBridge's own limits of how long it tries to put an event onto the queue.
PATIENCE = Duration.days(1)
MOST_ATTEMPTS = 185


class QueuedFunction(Construct):
    """Runs one handler for every event of its rules, never two at a time.

    Guarantees:
        An event waits in an encrypted queue that refuses plain HTTP until its handler has returned
        without giving it back. The queue is first in, first out, and all is one group, so that
        handlers never overlap: reserved concurrency would instead throttle, and use up receives.
        A message that was given out so many times goes to a queue of dead letters, for two weeks;
        one there is an alarm. What EventBridge cannot put onto the queue goes to another one, since
        it puts dead letters only onto standard queues; one there is an alarm as well, and so is
        what it could put onto neither.

    Args:
        handler: Folder under `pipeline_code/lambdas` whose `handler.handler` is called.
        description: What the function is for.
        encryption_key: Key of the log group and of the queues; it must allow EventBridge of this
            account to use it, as DataKey does.
        timeout: When a run is given up.
        receives: How many times a message is given out.
        batch_size: How many messages one run is given at most. A handler of more than one says
            itself which of them come again.
        environment: The handler's settings, beside `QUEUE_URL`.
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
        receives: int,
        batch_size: int = 1,
        environment: Mapping[str, str],
    ) -> None:
        super().__init__(scope, construct_id)
        self._key = encryption_key
        self.dead_letter_queue = DeadLetters(
            self, "DeadLetters", encryption_key=encryption_key, is_fifo=True
        )
        self.undelivered_queue = DeadLetters(self, "Undelivered", encryption_key=encryption_key)
        self.queue = self._define_work_queue(timeout, receives)
        runner = LambdaFunction(
            self,
            "Handler",
            handler=handler,
            description=description,
            encryption_key=encryption_key,
            timeout=timeout,
            environment={**environment, "QUEUE_URL": self.queue.queue_url},
        )
        self.role = runner.role
        self.function = runner.function
        self._rules: list[events.CfnRule] = []
        self._consume(batch_size)
        self._accept_events()

    @cached_property
    def alarms(self) -> tuple[cloudwatch.Alarm, ...]:
        """What operators have to hear of; read it when all rules are defined."""
        return (
            self._define_alarm("Failed", self.dead_letter_queue, "could not be handled"),
            self._define_alarm("Lost", self.undelivered_queue, "could not be delivered"),
            alarm_on_lost_events(
                self,
                "Vanished",
                rule_names=[rule.ref for rule in self._rules],
                description="EventBridge could put events onto no queue, and nothing has kept "
                "them: see whether the queues' policies and their key let it, then do by hand what "
                f"{self.function.function_name} was to do",
            ),
        )

    def run_on(self, construct_id: str, *, description: str, pattern: Mapping[str, object]) -> None:
        """Run the handler for every event that matches EventBridge's pattern."""
        self._define_rule(construct_id, description, event_pattern=pattern)

    def run_every(self, construct_id: str, *, description: str, schedule: events.Schedule) -> None:
        """Run the handler at set times."""
        self._define_rule(construct_id, description, schedule=schedule.expression_string)

    def _define_rule(
        self,
        construct_id: str,
        description: str,
        *,
        event_pattern: Mapping[str, object] | None = None,
        schedule: str | None = None,
    ) -> None:
        # The CDK's own target would name the rule in the key's policy, and the key is another
        # stack's, which then depended on this one.
        rule = events.CfnRule(
            self,
            construct_id,
            description=description,
            event_pattern=event_pattern,
            schedule_expression=schedule,
            state="ENABLED",
            targets=[
                events.CfnRule.TargetProperty(
                    id="Queue",
                    arn=self.queue.queue_arn,
                    sqs_parameters=events.CfnRule.SqsParametersProperty(
                        message_group_id=MESSAGE_GROUP
                    ),
                    retry_policy=events.CfnRule.RetryPolicyProperty(
                        maximum_event_age_in_seconds=PATIENCE.to_seconds(),
                        maximum_retry_attempts=MOST_ATTEMPTS,
                    ),
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(
                        arn=self.undelivered_queue.queue_arn
                    ),
                )
            ],
        )
        # Before, what it sends is refused.
        rule.node.add_dependency(self.queue, self.undelivered_queue)
        if "alarms" in self.__dict__:
            raise ValueError(f"{construct_id} must be defined before alarms is read")
        self._rules.append(rule)

    def _accept_events(self) -> None:
        rules = Stack.of(self).format_arn(service="events", resource="rule", resource_name="*")
        for queue in (self.queue, self.undelivered_queue):
            queue.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[iam.ServicePrincipal("events.amazonaws.com")],
                    actions=["sqs:SendMessage"],
                    resources=[queue.queue_arn],
                    conditions={"ArnLike": {"aws:SourceArn": rules}},
                )
            )

    def _consume(self, batch_size: int) -> None:
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=[
                    "sqs:ChangeMessageVisibility",
                    "sqs:DeleteMessage",
                    "sqs:GetQueueAttributes",
                    "sqs:ReceiveMessage",
                ],
                resources=[self.queue.queue_arn],
            )
        )
        allow_through(self.role, self._key, "sqs", "kms:Decrypt")
        source = lambda_.CfnEventSourceMapping(
            self,
            "Source",
            function_name=self.function.function_name,
            event_source_arn=self.queue.queue_arn,
            batch_size=batch_size,
            function_response_types=["ReportBatchItemFailures"],
        )
        # Lambda refuses a source that the role may not yet use.
        source.node.add_dependency(self.role)

    def _define_work_queue(self, timeout: Duration, receives: int) -> sqs.Queue:
        return EncryptedQueue(
            self,
            "Queue",
            encryption_key=self._key,
            is_fifo=True,
            # Lambda refuses a source that gives a message out again while it may be handled; it
            # needs some time before and after.
            visibility_timeout=Duration.seconds(timeout.to_seconds() + 60),
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.dead_letter_queue, max_receive_count=receives
            ),
        )

    def _define_alarm(self, construct_id: str, queue: DeadLetters, what: str) -> cloudwatch.Alarm:
        return alarm_above(
            self,
            construct_id,
            queue.waiting(),
            description=f"Events that {what} wait in a queue: see the log of "
            f"{self.function.function_name}, then use `fraudloop redrive`",
        )
