"""The key under which everything the system keeps is encrypted."""

from __future__ import annotations

from aws_cdk import ArnFormat, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from lifecycle.lake.retention import tag_kept

__all__ = ["DataKey"]


class DataKey(Construct):
    """A rotating key for data at rest, which AWS services may use only for this account.

    Guarantees:
        The key rotates once a year.
        CloudWatch Logs can use it for log groups of this account and Region; EventBridge and
        CloudWatch can use it to put messages into encrypted queues and topics of this account.

    Args:
        removal_policy: What becomes of the key with its stack. Data outlives its key in no case
            that helps, so it has to be that of the data.
    """

    def __init__(self, scope: Construct, construct_id: str, *, removal_policy: RemovalPolicy):
        super().__init__(scope, construct_id)
        destroyed = removal_policy is RemovalPolicy.DESTROY
        self.key = kms.Key(
            self,
            "Key",
            description="Data at rest: lake, features, captures, queues, logs",
            enable_key_rotation=True,
            removal_policy=removal_policy,
            # The shortest wait that KMS allows: what it protected goes in the same operation.
            pending_window=Duration.days(7) if destroyed else Duration.days(30),
        )
        tag_kept(self.key)
        self._allow_log_groups()
        self._allow_senders()

    def _allow_log_groups(self) -> None:
        """CloudWatch Logs names the log group in the encryption context, which pins the account.

        kms:DescribeKey, which its guide's policy has under the same condition, has no context.
        """
        stack = Stack.of(self)
        log_groups = stack.format_arn(
            service="logs",
            resource="log-group",
            resource_name="*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="LogGroups",
                principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
                actions=[
                    "kms:Decrypt",
                    "kms:Encrypt",
                    "kms:GenerateDataKey",
                    "kms:ReEncryptFrom",
                    "kms:ReEncryptTo",
                ],
                resources=["*"],
                conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": log_groups}},
            )
        )

    def _allow_senders(self) -> None:
        """Without it, a dead letter or an alarm's message is lost without a trace.

        For encrypted topics AWS does not support aws:SourceAccount in a key's policy where
        EventBridge sends (SNS guide, "Configuring AWS KMS permissions"; with it every invocation
        fails, landing-zone-accelerator-on-aws #407), and of queues it does not say. What always
        tells the account is the encryption context of SQS, the queue's ARN; no rule has a topic.
        """
        stack = Stack.of(self)
        self._allow_sender(
            "Topics",
            "cloudwatch.amazonaws.com",
            {"StringEquals": {"aws:SourceAccount": stack.account}},
        )
        queues = stack.format_arn(service="sqs", resource="*")
        self._allow_sender(
            "Queues",
            "events.amazonaws.com",
            {"ArnLike": {"kms:EncryptionContext:aws:sqs:arn": queues}},
        )

    def _allow_sender(self, sid: str, service: str, conditions: dict[str, dict[str, str]]) -> None:
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid=sid,
                principals=[iam.ServicePrincipal(service)],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],
                conditions=conditions,
            )
        )
