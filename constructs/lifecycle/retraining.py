"""What starts the training pipeline again, and what keeps it from starting too often."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from lifecycle.event_function import EventFunction

__all__ = ["Retraining", "RetrainingConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingConfig:
    """When the pipeline is started again.

    Attributes:
        cool_down_minutes: A retraining is not started again within so many minutes.
        schedule: A cron or rate expression of EventBridge that retrains without any drift. If
            omitted, only drift retrains.
    """

    cool_down_minutes: int = 24 * 60
    schedule: str | None = None

    def __post_init__(self) -> None:
        if self.cool_down_minutes < 1:
            raise ValueError(
                f"cool_down_minutes must be at least 1, got {self.cool_down_minutes}; "
                "events arrive twice, and only the cool-down tells one drift from two"
            )
        if self.schedule is not None and not self.schedule.startswith(("cron(", "rate(")):
            raise ValueError(
                f"schedule must be a cron(...) or rate(...) expression, got {self.schedule}; "
                "use one like rate(7 days)"
            )


class Retraining(Construct):
    """Starts the training pipeline when the monitor finds drift.

    Guarantees:
        One drift starts one execution, however many events tell of it: not while one runs, and
        not within the cool-down.
        An event that could not start one ends in the dead-letter queue.

    Args:
        pipeline_name: The pipeline that trains.
        raw_bucket: What it trains on; its listing says whether there is anything new.
        drift_alarm: Also starts it. If omitted, only the monitor's own event does.
        encryption_key: Key of the dead-letter queue and the log.
        config: The cool-down and an optional schedule.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pipeline_name: str,
        raw_bucket: s3.IBucket,
        drift_alarm: cloudwatch.IAlarm | None = None,
        encryption_key: kms.IKey,
        config: RetrainingConfig,
    ) -> None:
        super().__init__(scope, construct_id)
        starter = EventFunction(
            self,
            "Starter",
            handler="retrain",
            description="Starts the training pipeline when drift was found",
            encryption_key=encryption_key,
            timeout=Duration.minutes(1),
            environment={
                "PIPELINE_NAME": pipeline_name,
                "COOL_DOWN_SECONDS": str(config.cool_down_minutes * 60),
                "RAW_BUCKET": raw_bucket.bucket_name,
            },
        )
        self.function_name = starter.function.function_name
        self.dead_letter_queue = starter.dead_letter_queue
        _grant_start(starter.role, pipeline_name, raw_bucket)
        _run_on_violations(starter)
        if drift_alarm is not None:
            _run_on_alarm(starter, drift_alarm)
        if config.schedule is not None:
            starter.run_every(
                "Schedule",
                description="Retrains whether or not anything drifted",
                schedule=events.Schedule.expression(config.schedule),
            )


def _grant_start(role: iam.Role, pipeline_name: str, raw_bucket: s3.IBucket) -> None:
    pipeline = Stack.of(role).format_arn(
        service="sagemaker", resource="pipeline", resource_name=pipeline_name.lower()
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["sagemaker:ListPipelineExecutions", "sagemaker:StartPipelineExecution"],
            resources=[pipeline],
        )
    )
    # The fingerprint of the raw data is made of its listing; no object is read.
    role.add_to_policy(
        iam.PolicyStatement(actions=["s3:ListBucket"], resources=[raw_bucket.bucket_arn])
    )


def _run_on_violations(starter: EventFunction) -> None:
    starter.run_on(
        "Violations",
        description="The analyzer found violations of the baseline's constraints",
        pattern=events.EventPattern(
            source=["fraudloop.monitor"], detail_type=["Monitoring Violations Found"]
        ),
    )


def _run_on_alarm(starter: EventFunction, alarm: cloudwatch.IAlarm) -> None:
    starter.run_on(
        "DriftAlarm",
        description="The drift alarm went off",
        pattern=events.EventPattern(
            source=["aws.cloudwatch"],
            detail_type=["CloudWatch Alarm State Change"],
            resources=[alarm.alarm_arn],
            detail={"state": {"value": ["ALARM"]}},
        ),
    )
