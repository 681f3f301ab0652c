"""The topic that carries a stack's alarms to operators."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

__all__ = ["AlarmTopic"]


class AlarmTopic(sns.Topic):
    """Tells its subscribers of every alarm that notifies it.

    AlarmTopic(self, "AlarmTopic", encryption_key=lake.encryption_key).notify_of(alarm)

    Guarantees:
        Messages are encrypted under the given key, and plain HTTP is refused.
        CloudWatch may publish for alarms of this account only.

    Args:
        encryption_key: Key of the messages; it must allow CloudWatch of this account to use it, as
            DataKey does.
        email: Address that is subscribed. If omitted, nobody is.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        encryption_key: kms.IKey,
        email: str | None = None,
    ) -> None:
        super().__init__(scope, construct_id, master_key=encryption_key, enforce_ssl=True)
        # A topic with a policy of its own has lost the default one, which let alarms publish.
        self.add_to_resource_policy(
            iam.PolicyStatement(
                sid="Alarms",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )
        if email is not None:
            self.add_subscription(subscriptions.EmailSubscription(email))

    def notify_of(self, *alarms: cloudwatch.Alarm) -> None:
        """Tell the subscribers when one of the alarms goes off."""
        for alarm in alarms:
            alarm.add_alarm_action(actions.SnsAction(self))
