"""An alarm for what should be counted and is not."""

from __future__ import annotations

from aws_cdk import CfnCondition, Fn, Token
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

__all__ = ["define_silence_alarm"]


def define_silence_alarm(
    scope: Construct,
    construct_id: str,
    *,
    metric: cloudwatch.Metric,
    periods: int,
    description: str,
    condition: CfnCondition,
    topic: sns.ITopic,
) -> cloudwatch.Alarm:
    """An alarm for a count that has been zero, or was not published, for so many periods.

    Args:
        condition: When silence is an alarm at all.
        topic: Where the alarm goes.
    """
    alarm = metric.create_alarm(
        scope,
        construct_id,
        alarm_description=description,
        comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
        threshold=1,
        evaluation_periods=periods,
        treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
    )
    alarm.add_alarm_action(actions.SnsAction(topic))
    resource = alarm.node.default_child
    if isinstance(resource, cloudwatch.CfnAlarm):
        # Not the alarm itself: a dashboard cannot show what may not be there.
        resource.treat_missing_data = Token.as_string(
            Fn.condition_if(condition.logical_id, "breaching", "notBreaching")
        )
    return alarm
