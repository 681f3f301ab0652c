"""Outputs of the stacks, by which `operations` finds what is deployed."""

from enum import StrEnum

from pipeline_code.contracts.monitoring import MonitorKind

__all__ = ["Output", "function_output", "monitor_output", "queue_output"]


class Output(StrEnum):
    """The key of a stack's output."""

    RAW_BUCKET = "RawBucketName"
    FEATURES_BUCKET = "FeaturesBucketName"
    ARTIFACTS_BUCKET = "ArtifactsBucketName"
    CAPTURES_BUCKET = "CapturesBucketName"
    DATABASE = "GlueDatabaseName"
    WORKGROUP = "WorkgroupName"
    ENCRYPTION_KEY = "EncryptionKeyArn"
    CUSTOMER_FEATURE_GROUP = "CustomerFeatureGroupName"
    TERMINAL_FEATURE_GROUP = "TerminalFeatureGroupName"
    EVENT_STREAM = "EventStreamName"
    TERMINAL_EVENT_STREAM = "TerminalEventStreamName"
    STREAMING_ALARM_TOPIC = "StreamingAlarmTopicArn"
    TRAINING_PIPELINE = "TrainingPipelineName"
    MODEL_PACKAGE_GROUP = "ModelPackageGroupName"
    IMAGE = "ImageUri"
    # SageMaker's own word, as in its API.
    ENDPOINT = "EndpointName"
    ROLLOUT_TIMEOUT = "RolloutTimeoutSeconds"
    BATCH_PIPELINE = "BatchPipelineName"
    APPROVED_MODEL_PARAMETER = "ApprovedModelParameterName"
    CHALLENGER_PARAMETER = "ChallengerParameterName"
    DEPLOYMENT_STATE_PARAMETER = "DeploymentStateParameterName"
    SERVING_ALARM_TOPIC = "ServingAlarmTopicArn"
    MONITORING_ENGINE = "MonitoringEngine"
    LABELS_PIPELINE = "LabelsPipelineName"
    PARITY_PIPELINE = "ParityPipelineName"
    ALARM_TOPIC = "AlarmTopicArn"
    DASHBOARD = "DashboardName"
    RETRAINING_STATE_PARAMETER = "RetrainingStateParameterName"


def monitor_output(kind: MonitorKind) -> str:
    """Of the schedule or pipeline of a kind of monitoring: `DataQualityMonitorName`."""
    return "".join(word.capitalize() for word in kind.split("-")) + "MonitorName"


def function_output(function: str) -> str:
    """Of a function: `CustomerFunctionName`."""
    return f"{function}FunctionName"


def queue_output(function: str, kind: str = "") -> str:
    """Of a function's queue; `Failures` and `Undelivered` hold what it gave up on."""
    return f"{function}{kind}QueueUrl"
