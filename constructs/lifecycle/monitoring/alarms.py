"""The monitors' alarms, each with its runbook, and the topic that operators subscribe to."""

from __future__ import annotations

from aws_cdk import CfnCondition
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kms as kms
from constructs import Construct

from lifecycle.alarms.alarm_topic import AlarmTopic
from lifecycle.alarms.silence_alarm import define_silence_alarm
from lifecycle.monitoring.config import LONGEST_DAYS, MonitoringConfig
from lifecycle.monitoring.monitored_endpoint import DAY, HOUR, MonitoredEndpoint
from lifecycle.monitoring.runbooks import (
    FAILED,
    IMMATURE,
    MISSING,
    MISSING_LABELS,
    STALE,
    VIOLATIONS,
)
from pipeline_code.contracts.metrics import MetricName
from pipeline_code.contracts.monitoring import LABELS, MonitorKind

__all__ = ["MonitoringAlarms"]

# The first kind's alarms are older than the others and keep their IDs.
_IDS = {
    MonitorKind.DATA_QUALITY: ("Drift", "MissingData"),
    MonitorKind.MODEL_QUALITY: ("ModelQuality", "MissingModelQuality"),
    MonitorKind.BIAS: ("Bias", "MissingBias"),
    MonitorKind.ATTRIBUTION: ("Attribution", "MissingAttribution"),
}


class MonitoringAlarms(Construct):
    """Raises an alarm for what a monitor finds, and others for what keeps it from finding anything.

    The metrics are our own: CloudFormation cannot have Model Monitor publish any, and an alarm on a
    metric that nobody publishes is silent for ever. So silence is an alarm too. An analysis that
    fails publishes nothing, so that it counts as silence, never as health.

    Guarantees:
        The topic is encrypted under the given key and refuses plain HTTP; every alarm goes to it.
        Each alarm's description says what it means, what to look at first and what to do.
        Before there is an endpoint, silence is no alarm.

    Args:
        watched: What is watched.
        encryption_key: Key of the topic; it must allow CloudWatch of this account to use it, as
            DataKey does.
        config: Limits, schedules and whom to tell.
        condition: When there is an endpoint.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        watched: MonitoredEndpoint,
        encryption_key: kms.IKey,
        config: MonitoringConfig,
        condition: CfnCondition,
    ) -> None:
        super().__init__(scope, construct_id)
        self._watched = watched
        self._config = config
        self.topic = AlarmTopic(
            self, "Topic", encryption_key=encryption_key, email=config.alarm_email
        )
        self.violations = {kind: self._define_violations(kind) for kind in MonitorKind}
        self.silences = {kind: self._define_silence(kind, condition) for kind in MonitorKind}
        self.health = (
            self._define_failed(),
            self._define_missing_labels(condition),
            self._define_immature(),
            self._define_stale(),
        )

    @property
    def all(self) -> list[cloudwatch.IAlarm]:
        """Every alarm, violations first."""
        return [*self.violations.values(), *self.silences.values(), *self.health]

    def _define_violations(self, kind: MonitorKind) -> cloudwatch.Alarm:
        daily = self._config.schedules.hours[kind] is not None
        metric = self._watched.metric(
            "Violations", "Maximum", monitor=kind.value, period=DAY if daily else HOUR
        )
        return self._define(_IDS[kind][0], metric, VIOLATIONS[kind], above=0)

    def _define_silence(self, kind: MonitorKind, condition: CfnCondition) -> cloudwatch.Alarm:
        limits = self._config.limits
        hourly = self._config.schedules.hours[kind] is None
        periods = limits.missing_data_hours if hourly else limits.missing_data_days
        return define_silence_alarm(
            self,
            _IDS[kind][1],
            metric=self._watched.metric(
                MetricName.MONITORED_RECORDS,
                "Sum",
                monitor=kind.value,
                period=HOUR if hourly else DAY,
            ),
            periods=periods,
            description=MISSING.format(
                kind=kind.value,
                time=f"{periods} {'hours' if hourly else 'days'}",
                name=self._watched.monitor_names[kind],
            ),
            condition=condition,
            topic=self.topic,
        )

    def _define_failed(self) -> cloudwatch.Alarm:
        failed = self._watched.metric(MetricName.ANALYSES_FAILED, "Sum")
        text = FAILED.format(function=self._watched.retry_function_name)
        return self._define("FailedAnalyses", failed, text, above=0)

    def _define_missing_labels(self, condition: CfnCondition) -> cloudwatch.Alarm:
        days = self._config.limits.missing_data_days
        return define_silence_alarm(
            self,
            "MissingLabels",
            # Of all that the job measures, what it publishes whether or not there are predictions.
            metric=self._watched.metric(MetricName.UNMET_REPORTS, "SampleCount", period=DAY),
            periods=days,
            description=MISSING_LABELS.format(days=days, labels=self._watched.labels_name),
            condition=condition,
            topic=self.topic,
        )

    def _define_immature(self) -> cloudwatch.Alarm:
        limit = self._config.limits.label_maturity
        # Over all versions: that of a monitor begins anew with each deployment.
        metric = self._watched.metric(
            MetricName.LABEL_MATURITY, "Maximum", monitor=LABELS, period=DAY
        )
        alarm = metric.create_alarm(
            self,
            "LabelMaturity",
            alarm_description=IMMATURE.format(
                percent=round(limit * 100, 1),
                days=self._config.schedules.label_delay_days,
            ),
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            threshold=limit,
            evaluation_periods=LONGEST_DAYS,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        self.topic.notify_of(alarm)
        return alarm

    def _define_stale(self) -> cloudwatch.Alarm:
        days = self._config.limits.model_age_days
        metric = self._watched.metric(MetricName.CHAMPION_AGE_DAYS, "Maximum")
        return self._define("ModelAge", metric, STALE.format(days=days), above=days)

    def _define(
        self, construct_id: str, metric: cloudwatch.IMetric, runbook: str, *, above: float
    ) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            metric=metric,
            alarm_description=runbook,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            threshold=above,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        self.topic.notify_of(alarm)
        return alarm
