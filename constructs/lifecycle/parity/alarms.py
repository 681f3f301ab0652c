"""The alarms of the parity audit: one for defects, and one for silence."""

from __future__ import annotations

from aws_cdk import CfnCondition, Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from lifecycle.alarms.metric_alarm import alarm_above
from lifecycle.alarms.silence_alarm import define_silence_alarm
from pipeline_code.contracts.metrics import Dimension, MetricName

__all__ = ["ParityAlarms"]

RUNBOOK = (
    "The endpoint answered with features that are not training's, and no late event explains it. "
    "Runbook: read differences.jsonl of the newest report below {reports}. outcome answer: serving "
    "or its image differs from the features job; roll the endpoint back. state: a consumer counted "
    "an event twice, or the landing lost one; see the quarantine and the delivery's errors. lost: "
    "no consumer folded an event; run `fraudloop redrive`, or train, which brings the states up to "
    "the lake."
)


class ParityAlarms(Construct):
    """Raises an alarm if a response's features are not batch's without an event being late.

    Args:
        endpoint_name: The endpoint, a dimension of the metrics.
        metric_namespace: Where the audit publishes them.
        reports: Where its reports are; operators look there.
        topic: Where the alarms go.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        metric_namespace: str,
        reports: str,
        topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, construct_id)
        self._namespace = metric_namespace
        self._endpoint_name = endpoint_name
        self._topic = topic
        self.alarms = [self._define_defect_alarm(reports)]

    def metric(
        self, name: str, statistic: str, period: Duration | None = None
    ) -> cloudwatch.Metric:
        """A metric of the audit for the endpoint, by the hour unless told otherwise."""
        return cloudwatch.Metric(
            namespace=self._namespace,
            metric_name=name,
            dimensions_map={Dimension.ENDPOINT: self._endpoint_name},
            statistic=statistic,
            period=Duration.hours(1) if period is None else period,
        )

    def watch_for_silence(self, days: int, condition: CfnCondition) -> None:
        """Also raise an alarm if no response was audited for so many days, under a condition."""
        alarm = define_silence_alarm(
            self,
            "MissingData",
            metric=self.metric(MetricName.PARITY_ROWS, "Sum", Duration.days(1)),
            periods=days,
            description=f"No answer's features were audited for {days} days: the endpoint is not "
            "asked, captures nothing, or the audit fails; see the newest execution of its pipeline",
            condition=condition,
            topic=self._topic,
        )
        self.alarms.append(alarm)

    def _define_defect_alarm(self, reports: str) -> cloudwatch.Alarm:
        alarm = alarm_above(
            self,
            "Defects",
            self.metric(MetricName.PARITY_DEFECTS, "Maximum"),
            description=RUNBOOK.format(reports=reports),
        )
        alarm.add_alarm_action(actions.SnsAction(self._topic))
        return alarm
