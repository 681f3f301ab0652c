"""Data-quality monitoring of the endpoint: the analyzer's schedule, alarms and dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from aws_cdk import CfnCondition, Fn
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from lifecycle.analyzer import Analyzer
from lifecycle.container_image import ContainerImage
from lifecycle.endpoint_config import NO_MODEL
from lifecycle.job_requests import Compute
from lifecycle.monitoring_alarms import MonitoringAlarms
from lifecycle.monitoring_pipeline import MonitoringPipeline
from lifecycle.monitoring_schedule import MonitoringSchedule

__all__ = ["Engine", "Monitoring", "MonitoringConfig"]

Engine = Literal["model_monitor", "scheduled", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringConfig:
    """How the endpoint's traffic is watched.

    Attributes:
        engine: `model_monitor` runs the analyzer on a SageMaker monitoring schedule, which only
            accounts that used Model Monitor before 2026-07-30 can create; `scheduled` runs the
            same analyzer as a SageMaker pipeline that EventBridge Scheduler starts. With `none`
            nobody watches: no stack of monitors, no audit, and no retraining for drift.
        instance_type: Instance of the analyzer's job.
        volume_size_gib: Encrypted storage volume of the analyzer's job.
        max_runtime_minutes: An analysis that runs longer is stopped.
        missing_data_hours: Hours without any monitored record before the alarm for missing data.
        alarm_email: Address subscribed to the alarms. If omitted, nobody is subscribed.
    """

    engine: Engine = "scheduled"
    instance_type: str = "ml.m5.large"
    volume_size_gib: int = 20
    max_runtime_minutes: int = 50
    missing_data_hours: int = 6
    alarm_email: str | None = None

    def __post_init__(self) -> None:
        if self.engine not in get_args(Engine):
            raise ValueError(
                f"engine must be one of {', '.join(get_args(Engine))}, got {self.engine}; "
                "use scheduled in an account that is new to Model Monitor"
            )
        if not 1 <= self.max_runtime_minutes <= 60:  # noqa: PLR2004
            raise ValueError(
                f"max_runtime_minutes must be between 1 and 60, got {self.max_runtime_minutes}; "
                "the analyzer starts every hour and has to end before the next start"
            )
        for name in ("volume_size_gib", "missing_data_hours"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}; give a whole number")


class Monitoring(Construct):
    """Compares what the endpoint captured with its model's baseline, every hour.

    Either engine runs the same analyzer as the same role, on the same captures and baseline, so
    that its files, metrics, events and alarms are the same.

    Guarantees:
        While no model is approved, nothing runs and nothing is an alarm.
        The analyzer reads this endpoint's captures and the baseline, and writes its reports.

    Args:
        monitor_name: Physical name of the schedule or of the pipeline, whichever the engine has.
        approved_package: ARN of the approved model package, or `none`; a deploy-time value.
        endpoint_name: The endpoint that is watched.
        metric_namespace: CloudWatch namespace of the analyzer's metrics.
        image: What the analyzer's job runs.
        captures_bucket: Where the endpoint's captures are, below its name.
        artifacts_bucket: Where the baseline is, and the reports go.
        encryption_key: Key of both buckets, of the job's volume and of the alarms' topic.
        config: Engine, compute and alarms.

    Raises:
        ValueError: If the engine is `none`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        monitor_name: str,
        approved_package: str,
        endpoint_name: str,
        metric_namespace: str,
        image: ContainerImage,
        captures_bucket: s3.IBucket,
        artifacts_bucket: s3.IBucket,
        encryption_key: kms.IKey,
        config: MonitoringConfig,
    ) -> None:
        super().__init__(scope, construct_id)
        if config.engine == "none":
            raise ValueError("engine must be one that watches, got none; leave the construct out")
        self._name = monitor_name
        self._config = config
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
            metric_namespace=metric_namespace,
        )
        self._define_engine()
        self.alarms = MonitoringAlarms(
            self,
            "Alarms",
            endpoint_name=endpoint_name,
            metric_namespace=metric_namespace,
            encryption_key=encryption_key,
            missing_data_hours=config.missing_data_hours,
            condition=self.condition,
            email=config.alarm_email,
        )

    def _define_engine(self) -> None:
        config = self._config
        compute = Compute(
            instance_type=config.instance_type,
            volume_size_gib=config.volume_size_gib,
            max_runtime_minutes=config.max_runtime_minutes,
        )
        if config.engine == "model_monitor":
            MonitoringSchedule(
                self,
                "ModelMonitor",
                schedule_name=self._name,
                analyzer=self._analyzer,
                compute=compute,
                condition=self.condition,
            )
        else:
            MonitoringPipeline(
                self,
                "Scheduled",
                pipeline_name=self._name,
                analyzer=self._analyzer,
                compute=compute,
                condition=self.condition,
            )
