"""What people see of the monitors: two alarms, a topic that carries them, and a dashboard."""

from __future__ import annotations

from aws_cdk import CfnCondition, Duration, Fn, Token
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from lifecycle.alarm_topic import AlarmTopic

__all__ = ["MonitoringAlarms", "define_silence_alarm"]

HOUR = Duration.hours(1)


class MonitoringAlarms(Construct):
    """Raises an alarm for drift, and another one for traffic that nobody analyzed.

    The metrics are the analyzer's own: CloudFormation cannot have Model Monitor publish any, and
    an alarm on a metric that nobody publishes is silent for ever. So silence is an alarm too.

    Guarantees:
        The topic is encrypted under the given key and refuses plain HTTP.

    Args:
        endpoint_name: The endpoint, a dimension of the metrics.
        metric_namespace: Where the analyzer publishes them.
        encryption_key: Key of the topic; it must allow CloudWatch of this account to use it, as
            DataKey does.
        missing_data_hours: How long nothing may have been analyzed.
        condition: When there is an endpoint; before, silence is no alarm.
        email: Address subscribed to the topic. If omitted, nobody is.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        metric_namespace: str,
        encryption_key: kms.IKey,
        missing_data_hours: int,
        condition: CfnCondition,
        email: str | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._namespace = metric_namespace
        self._endpoint_name = endpoint_name
        self.topic = AlarmTopic(self, "Topic", encryption_key=encryption_key, email=email)
        self.drift_alarm = self._define_drift_alarm()
        self.missing_data_alarm = self._define_missing_data_alarm(missing_data_hours, condition)

    def metric(self, name: str, statistic: str) -> cloudwatch.Metric:
        """A metric of the analyzer for the endpoint, hour by hour."""
        return cloudwatch.Metric(
            namespace=self._namespace,
            metric_name=name,
            dimensions_map={"Endpoint": self._endpoint_name},
            statistic=statistic,
            period=HOUR,
        )

    def _define_drift_alarm(self) -> cloudwatch.Alarm:
        alarm = self.metric("FeatureDriftViolations", "Maximum").create_alarm(
            self,
            "Drift",
            alarm_description="Features of the traffic have drifted from the model's baseline; "
            "see constraint_violations.json of the newest report",
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            threshold=0,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        self.topic.notify_of(alarm)
        return alarm

    def _define_missing_data_alarm(self, hours: int, condition: CfnCondition) -> cloudwatch.Alarm:
        return define_silence_alarm(
            self,
            "MissingData",
            metric=self.metric("MonitoredRecords", "Sum"),
            periods=hours,
            description=f"No traffic was analyzed for {hours} hours: the endpoint is not asked, "
            "captures nothing, or the analyzer fails",
            condition=condition,
            topic=self.topic,
        )


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
