"""A queue of what a function gave up on: letting it be written to, and hearing of it."""

from __future__ import annotations

from typing import Any

from aws_cdk import Acknowledgment, Duration, Validations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from lifecycle.access.key_use import allow_through

__all__ = ["DeadLetters", "EncryptedQueue"]


class EncryptedQueue(sqs.Queue):
    """A queue that keeps messages for two weeks, encrypted, and refuses plain HTTP."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        encryption_key: kms.IKey,
        is_fifo: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            # Left out for a standard queue: CloudFormation takes no false.
            fifo=is_fifo or None,
            # Two events are never the same: each has an ID of its own.
            content_based_deduplication=is_fifo or None,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=encryption_key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
            **settings,
        )
        self._key = encryption_key


class DeadLetters(EncryptedQueue):
    """What could not be handled; the key must allow whoever writes it."""

    def __init__(self, scope: Construct, construct_id: str, **settings: Any) -> None:
        super().__init__(scope, construct_id, **settings)
        Validations.of(self).acknowledge(
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-SQS3",
                reason="This is a queue of dead letters itself; the rule knows only those that "
                "queues name, and not those of functions, sources and rules",
            )
        )

    def allow_writing(self, role: iam.Role) -> None:
        """Let a function's role put into the queue what the function gave up on."""
        role.add_to_policy(
            iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[self.queue_arn])
        )
        allow_through(role, self._key, "sqs", "kms:Decrypt", "kms:GenerateDataKey")

    def waiting(self, period: Duration | None = None) -> cloudwatch.Metric:
        """How many messages wait, by the minute unless told otherwise."""
        return self.metric_approximate_number_of_messages_visible(
            statistic="Maximum", period=Duration.minutes(1) if period is None else period
        )
