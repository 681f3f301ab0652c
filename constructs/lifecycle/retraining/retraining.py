"""The function that starts the training pipeline anew, and what limits how often."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from lifecycle.alarms.metric_alarm import alarm_above
from lifecycle.functions.queued_function import QueuedFunction
from lifecycle.retraining.config import RetrainingConfig
from pipeline_code.contracts.events import (
    MONITOR_SOURCE,
    OPERATIONS_SOURCE,
    PASSED,
    RETRAINING_REQUESTED,
    RETRAINING_RESUMED,
    VIOLATIONS,
)
from pipeline_code.contracts.metrics import Dimension, MetricName

__all__ = ["Retraining", "RetrainingConfig"]

TIMEOUT = Duration.minutes(5)
BATCH_SIZE = 10
# A failed event waits for a minute, then for twice as long each time, up to a quarter of an hour:
# an hour in all.
RETRY = Duration.minutes(1)
RECEIVES = 8


class Retraining(Construct):
    """Starts the training pipeline when a monitor finds drift, on a schedule, or when asked to.

    Guarantees:
        One drift starts one execution, however many events tell of it, in whatever order, and
        whatever fails meanwhile: not while one runs, not within the cool-down, and not beyond the
        day's budget.
        Drift that retraining does not cure stops asking, and calls operators by an alarm.
        An event that could not be worked off is retried for an hour and then waits in a
        dead-letter queue; one there is an alarm. None is lost.
        Only this pipeline, its state and the raw bucket's listing are within reach.

    Args:
        pipeline_name: The pipeline that trains.
        raw_bucket: What it trains on; its listing says whether there is anything new.
        state_parameter_name: SSM parameter that says what was started; defined here.
        endpoint_name: A dimension of the metrics.
        metric_namespace: Where starts and refusals are counted.
        quality_alarm: Of the model's quality; also starts it. If omitted, only events do.
        encryption_key: Key of the queues and the log.
        config: What starts it, and how often.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pipeline_name: str,
        raw_bucket: s3.IBucket,
        state_parameter_name: str,
        endpoint_name: str,
        metric_namespace: str,
        quality_alarm: cloudwatch.IAlarm | None = None,
        encryption_key: kms.IKey,
        config: RetrainingConfig,
    ) -> None:
        super().__init__(scope, construct_id)
        self._define_state(state_parameter_name)
        self.trigger = QueuedFunction(
            self,
            "Trigger",
            handler="retrain",
            description="Starts the training pipeline when it is time to",
            encryption_key=encryption_key,
            timeout=TIMEOUT,
            receives=RECEIVES,
            batch_size=BATCH_SIZE,
            environment={
                "PIPELINE_NAME": pipeline_name,
                "RAW_BUCKET": raw_bucket.bucket_name,
                "STATE_PARAMETER": state_parameter_name,
                "ENDPOINT_NAME": endpoint_name,
                "METRIC_NAMESPACE": metric_namespace,
                "RETRY_SECONDS": str(RETRY.to_seconds()),
                "KINDS": " ".join(config.kinds),
                "COOL_DOWN_SECONDS": str(config.cool_down_minutes * 60),
                "FAILED_COOL_DOWN_SECONDS": str(config.failed_cool_down_minutes * 60),
                "DAILY_BUDGET": str(config.daily_budget),
                "UNCURED_LIMIT": str(config.uncured_limit),
            },
        )
        _grant_start(self.trigger.role, pipeline_name, raw_bucket)
        _grant_state(self.trigger.role, state_parameter_name)
        self._run_on_events(quality_alarm, config)
        self._run_on_failures(pipeline_name)
        uncured = self._define_alarm(metric_namespace, endpoint_name)
        self.alarms = (uncured, *self.trigger.alarms)

    def _define_state(self, name: str) -> None:
        # Written by CloudFormation only with the stack. Were it reset, the pipeline's executions
        # would still tell of the last retraining.
        ssm.CfnParameter(
            self,
            "State",
            name=name,
            type="String",
            value="none",
            description="What was retrained and what for, as JSON",
        )

    def _run_on_events(
        self, quality_alarm: cloudwatch.IAlarm | None, config: RetrainingConfig
    ) -> None:
        self.trigger.run_on(
            "Monitors",
            description="A monitor found violations of a baseline's constraints, or none",
            pattern={
                "source": [MONITOR_SOURCE],
                "detail-type": [VIOLATIONS, PASSED],
            },
        )
        self.trigger.run_on(
            "People",
            description="A person asks for a retraining, or lets drift ask again",
            pattern={
                "source": [OPERATIONS_SOURCE],
                "detail-type": [RETRAINING_REQUESTED, RETRAINING_RESUMED],
            },
        )
        if quality_alarm is not None:
            self.trigger.run_on(
                "Quality",
                description="The alarm for the model's quality went off",
                pattern={
                    "source": ["aws.cloudwatch"],
                    "detail-type": ["CloudWatch Alarm State Change"],
                    "resources": [quality_alarm.alarm_arn],
                    "detail": {"state": {"value": ["ALARM"]}},
                },
            )
        if config.schedule is not None:
            self.trigger.run_every(
                "Schedule",
                description="Retrains whether or not anything drifted",
                schedule=events.Schedule.expression(config.schedule),
            )

    def _run_on_failures(self, pipeline_name: str) -> None:
        self.trigger.run_on(
            "Failures",
            description="An execution of the training pipeline failed",
            pattern={
                "source": ["aws.sagemaker"],
                "detail-type": ["SageMaker Model Building Pipeline Execution Status Change"],
                "detail": {
                    "pipelineArn": [_pipeline_arn(self, pipeline_name)],
                    "currentPipelineExecutionStatus": ["Failed"],
                },
            },
        )

    def _define_alarm(self, namespace: str, endpoint_name: str) -> cloudwatch.Alarm:
        metric = cloudwatch.Metric(
            namespace=namespace,
            metric_name=MetricName.UNCURED_DRIFTS,
            dimensions_map={Dimension.ENDPOINT: endpoint_name},
            # Of a minute with both, the end counts: nothing is uncured anew so soon.
            statistic="Minimum",
            period=Duration.minutes(1),
        )
        return alarm_above(
            self,
            "Uncured",
            metric,
            description="Retraining did not cure a drift several times in a row, or failed, "
            "and stopped trying. `fraudloop retraining status` names the monitor, `fraudloop "
            "drift` shows what it finds now: look for a broken feature or source first, then for "
            "fraud of a new kind. Once it is mended, or the baseline is as you want it, use "
            "`fraudloop retraining resume`, or `fraudloop retrain` at once",
            # It stays until it is said to be over.
            treat_missing_data=cloudwatch.TreatMissingData.IGNORE,
        )


def _pipeline_arn(scope: Construct, name: str) -> str:
    return Stack.of(scope).format_arn(
        service="sagemaker", resource="pipeline", resource_name=name.lower()
    )


def _grant_start(role: iam.Role, pipeline_name: str, raw_bucket: s3.IBucket) -> None:
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["sagemaker:ListPipelineExecutions", "sagemaker:StartPipelineExecution"],
            resources=[_pipeline_arn(role, pipeline_name)],
        )
    )
    # The fingerprint of the raw data is made of its listing; no object is read.
    role.add_to_policy(
        iam.PolicyStatement(actions=["s3:ListBucket"], resources=[raw_bucket.bucket_arn])
    )


def _grant_state(role: iam.Role, parameter_name: str) -> None:
    parameter = Stack.of(role).format_arn(
        service="ssm",
        resource="parameter",
        # The name begins with the slash that would separate it.
        resource_name=parameter_name.removeprefix("/"),
    )
    role.add_to_policy(
        iam.PolicyStatement(actions=["ssm:GetParameter", "ssm:PutParameter"], resources=[parameter])
    )
