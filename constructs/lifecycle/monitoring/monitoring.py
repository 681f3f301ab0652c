"""Monitoring of the endpoint: the analyzer's schedules, late labels, alarms."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import CfnCondition, Fn
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from lifecycle.image.container_image import ContainerImage
from lifecycle.monitoring.alarms import MonitoringAlarms
from lifecycle.monitoring.analysis_retry import AnalysisRetry
from lifecycle.monitoring.analyzer import Analyzer
from lifecycle.monitoring.config import AlarmLimits, Engine, MonitoringConfig, MonitorSchedules
from lifecycle.monitoring.label_pipeline import LabelPipeline
from lifecycle.monitoring.monitored_endpoint import MonitoredEndpoint
from lifecycle.monitoring.pipeline import MonitoringPipelines
from lifecycle.monitoring.schedule import MonitoringSchedules
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.contracts.packages import NO_MODEL

__all__ = ["AlarmLimits", "Engine", "MonitorSchedules", "Monitoring", "MonitoringConfig"]


class Monitoring(Construct):
    """Compares what the endpoint captured with what its model learned from, in four ways.

    Data quality is looked at every hour; model quality, bias and feature attribution once a day,
    after fraud reports were joined with the predictions that they judge. Either engine runs the
    same analyzer as the same role, on the same captures, labels and baselines, so that its files,
    metrics, events and alarms are the same.

    Guarantees:
        While no model is approved, nothing runs and nothing is an alarm.
        What a version answered is compared with that version's own baselines.
        The analyzer reads this endpoint's captures, labels and baselines, and writes its reports.
        An analysis that fails is repeated, then an alarm.

    Args:
        monitor_names: Physical names by kind, of the schedules or of the pipelines, whichever the
            engine has.
        labels_name: Physical name of the pipeline that brings labels.
        approved_package: The approved model package as its parameter spells it, or `none`.
        endpoint_name: The endpoint that is watched.
        metric_namespace: CloudWatch namespace of the metrics.
        image: What the jobs run.
        raw_bucket: The lake's transactions and fraud reports.
        captures_bucket: Where the endpoint's captures are, below its name.
        artifacts_bucket: Where the baselines are, and labels and reports go.
        encryption_key: Key of the buckets, of the jobs' volumes and of the alarms' topic.
        config: Engine, compute, schedules and limits.

    Raises:
        ValueError: If the engine is `none`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        monitor_names: Mapping[MonitorKind, str],
        labels_name: str,
        approved_package: str,
        endpoint_name: str,
        metric_namespace: str,
        image: ContainerImage,
        raw_bucket: s3.IBucket,
        captures_bucket: s3.IBucket,
        artifacts_bucket: s3.IBucket,
        encryption_key: kms.IKey,
        config: MonitoringConfig,
    ) -> None:
        super().__init__(scope, construct_id)
        if config.engine == "none":
            raise ValueError("engine must be one that watches, got none; leave the construct out")
        self._config = config
        self._key = encryption_key
        self.condition = CfnCondition(
            self,
            "Approved",
            expression=Fn.condition_not(Fn.condition_equals(approved_package, NO_MODEL)),
        )
        self._analyzer = Analyzer.define(
            self,
            image=image,
            captures_bucket=captures_bucket,
            artifacts_bucket=artifacts_bucket,
            encryption_key=encryption_key,
            endpoint_name=endpoint_name,
            approved_package=approved_package,
            metric_namespace=metric_namespace,
        )
        self._define_engine(monitor_names)
        self._labels = LabelPipeline(
            self,
            "Labels",
            pipeline_name=labels_name,
            analyzer=self._analyzer,
            image=image,
            raw_bucket=raw_bucket,
            captures_bucket=captures_bucket,
            artifacts_bucket=artifacts_bucket,
            encryption_key=encryption_key,
            config=config,
            condition=self.condition,
        )
        self.watched = self._watch(monitor_names)
        self.alarms = MonitoringAlarms(
            self,
            "Alarms",
            watched=self.watched,
            encryption_key=encryption_key,
            config=config,
            condition=self.condition,
        )
        self.alarms.topic.notify_of(self.retry.alarm)

    def _define_engine(self, names: Mapping[MonitorKind, str]) -> None:
        if self._config.engine == "model_monitor":
            MonitoringSchedules(
                self,
                "ModelMonitor",
                names=names,
                analyzer=self._analyzer,
                config=self._config,
                condition=self.condition,
            )
        else:
            MonitoringPipelines(
                self,
                "Scheduled",
                names=names,
                analyzer=self._analyzer,
                config=self._config,
                condition=self.condition,
            )

    def _watch(self, names: Mapping[MonitorKind, str]) -> MonitoredEndpoint:
        """Has failed jobs repeated, and says what runbooks name."""
        analyzer = self._analyzer
        self.retry = AnalysisRetry(
            self,
            "Retry",
            endpoint_name=analyzer.endpoint_name,
            metric_namespace=analyzer.metric_namespace,
            roles=[analyzer.role, self._labels.role],
            encryption_key=self._key,
        )
        return MonitoredEndpoint(
            endpoint_name=analyzer.endpoint_name,
            metric_namespace=analyzer.metric_namespace,
            monitor_names=names,
            labels_name=self._labels.pipeline_name,
            retry_function_name=self.retry.function_name,
        )
