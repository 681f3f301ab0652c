"""All that is in an embedded AWS, service by service, to see that nothing stays behind."""

from collections.abc import Callable, Iterator
from typing import Any

Client = Callable[[str], Any]
# Service, operation, member of its answer, what names an item; None if items are names.
_LISTED = (
    ("sagemaker", "list_endpoints", "Endpoints", "EndpointName"),
    ("sagemaker", "list_endpoint_configs", "EndpointConfigs", "EndpointConfigName"),
    ("sagemaker", "list_models", "Models", "ModelName"),
    ("sagemaker", "list_pipelines", "PipelineSummaries", "PipelineName"),
    ("sagemaker", "list_feature_groups", "FeatureGroupSummaries", "FeatureGroupName"),
    (
        "sagemaker",
        "list_model_package_groups",
        "ModelPackageGroupSummaryList",
        "ModelPackageGroupName",
    ),
    ("sagemaker", "list_model_packages", "ModelPackageSummaryList", "ModelPackageArn"),
    (
        "sagemaker",
        "list_monitoring_schedules",
        "MonitoringScheduleSummaries",
        "MonitoringScheduleName",
    ),
    ("s3", "list_buckets", "Buckets", "Name"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("sqs", "list_queues", "QueueUrls", None),
    ("kinesis", "list_streams", "StreamNames", None),
    ("firehose", "list_delivery_streams", "DeliveryStreamNames", None),
    ("events", "list_rules", "Rules", "Name"),
    ("events", "list_event_buses", "EventBuses", "Name"),
    ("scheduler", "list_schedules", "Schedules", "Name"),
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("kms", "list_aliases", "Aliases", "AliasName"),
    ("ecr", "describe_repositories", "repositories", "repositoryName"),
    ("cloudformation", "describe_stacks", "Stacks", "StackName"),
)
# Jobs cannot be deleted.
_JOBS = (
    ("list_processing_jobs", "ProcessingJobSummaries", "ProcessingJobName", "ProcessingJobStatus"),
    ("list_transform_jobs", "TransformJobSummaries", "TransformJobName", "TransformJobStatus"),
)


def everything(client: Client) -> set[str]:
    """`service operation name` of all there is, and of the jobs and keys that are not gone."""
    return {*_listed(client), *_running(client), *_keys(client)}


def _listed(client: Client) -> Iterator[str]:
    for service, operation, member, field in _LISTED:
        answer = getattr(client(service), operation)()
        for each in answer.get(member, []):
            if not str(each.get("StackStatus", "") if field else "").startswith("DELETE_C"):
                yield f"{service} {operation} {each if field is None else each[field]}"


def _running(client: Client) -> Iterator[str]:
    for operation, member, name, status in _JOBS:
        for each in getattr(client("sagemaker"), operation)()[member]:
            if each[status] in ("InProgress", "Stopping"):
                yield f"sagemaker {operation} {each[name]}"


def _keys(client: Client) -> Iterator[str]:
    kms = client("kms")
    for each in kms.list_keys()["Keys"]:
        if kms.describe_key(KeyId=each["KeyId"])["KeyMetadata"]["KeyState"] != "PendingDeletion":
            yield f"kms key {each['KeyId']}"
