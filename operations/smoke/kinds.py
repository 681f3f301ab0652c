"""The kinds of things that runs make without a stack, in the order of their deletion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.exceptions import ClientError

from operations.smoke.run import PREFIX

if TYPE_CHECKING:
    from operations.target import Target

__all__ = ["KINDS", "WAITED", "Kind"]

# SageMaker takes no hyphen at the end of what it looks for.
_STEM = PREFIX.rstrip("-")
_ENDPOINT_LOGS = "/aws/sagemaker/Endpoints/"
_JOB_LOGS = ("/aws/sagemaker/ProcessingJobs", "/aws/sagemaker/TransformJobs")
Names = Callable[["Target"], Iterable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is made without a stack.

    Attributes:
        name: What it is called here.
        listed: The names of those there are, some of which may be others'.
        delete: Deletes one, or begins to.
        before: What may come before the prefix in a name.
    """

    name: str
    listed: Names
    delete: Callable[[Target, str], object]
    before: str = ""


def _pages(target: Target, service: str, method: str, **arguments: Any) -> Iterator[Any]:
    return iter(target.client(service).get_paginator(method).paginate(**arguments))


def _sagemaker(noun: str, member: str) -> Kind:
    """What SageMaker lists and deletes by name.

    Args:
        noun: Such as `FeatureGroup`.
        member: Of the list's answer.
    """
    name = xform_name(noun)

    def listed(target: Target) -> Iterator[str]:
        for page in _pages(target, "sagemaker", f"list_{name}s", NameContains=_STEM):
            yield from (each[f"{noun}Name"] for each in page[member])

    delete = _call("sagemaker", f"delete_{name}", f"{noun}Name")
    return Kind(name=name.replace("_", " "), listed=listed, delete=delete)


def _job(noun: str) -> Kind:
    """A job, which cannot be deleted, but stopped."""
    name = xform_name(noun)

    def listed(target: Target) -> Iterator[str]:
        for page in _pages(target, "sagemaker", f"list_{name}s", NameContains=_STEM):
            for each in page[f"{noun}Summaries"]:
                if each[f"{noun}Status"] in ("InProgress", "Stopping"):
                    yield each[f"{noun}Name"]

    delete = _call("sagemaker", f"stop_{name}", f"{noun}Name")
    return Kind(name=name.replace("_", " "), listed=listed, delete=delete)


def _groups(target: Target) -> Iterator[str]:
    for page in _pages(target, "sagemaker", "list_model_package_groups", NameContains=_STEM):
        yield from (each["ModelPackageGroupName"] for each in page["ModelPackageGroupSummaryList"])


def _packages(target: Target) -> Iterator[str]:
    for group in _groups(target):
        if group.startswith(PREFIX):
            for page in _pages(
                target, "sagemaker", "list_model_packages", ModelPackageGroupName=group
            ):
                for each in page["ModelPackageSummaryList"]:
                    yield each["ModelPackageArn"].partition(":model-package/")[2]


def _delete_package(target: Target, name: str) -> None:
    arn = f"arn:{target.session.get_partition_for_region(target.session.region_name)}"
    place = f"{arn}:sagemaker:{target.session.region_name}:{target.account}"
    target.client("sagemaker").delete_model_package(
        ModelPackageName=f"{place}:model-package/{name}"
    )


def _delivery_streams(target: Target) -> list[str]:
    # Without a paginator; at most 50 an account are common.
    names: list[str] = []
    while True:
        start = {"ExclusiveStartDeliveryStreamName": names[-1]} if names else {}
        answer = target.client("firehose").list_delivery_streams(Limit=50, **start)
        names += answer["DeliveryStreamNames"]
        if not answer["HasMoreDeliveryStreams"]:
            return names


def _schedules(target: Target) -> Iterator[str]:
    for page in _pages(target, "scheduler", "list_schedules", NamePrefix=PREFIX):
        yield from (each["Name"] for each in page["Schedules"])


def _rules_with_targets(target: Target) -> Iterator[str]:
    """A stack cannot delete a rule that was given targets behind its back."""
    events = target.client("events")
    for page in _pages(target, "events", "list_rules", NamePrefix=PREFIX):
        for each in page["Rules"]:
            if "Bus" in each["Name"] and _targets(events, each["Name"]):
                yield each["Name"]


def _targets(events: Any, rule: str) -> list[str]:
    return [each["Id"] for each in events.list_targets_by_rule(Rule=rule)["Targets"]]


def _remove_targets(target: Target, rule: str) -> None:
    events = target.client("events")
    events.remove_targets(Rule=rule, Ids=_targets(events, rule))


def _full_buckets(target: Target) -> Iterator[str]:
    s3 = target.client("s3")
    for each in s3.list_buckets()["Buckets"]:
        name = each["Name"]
        if name.startswith(PREFIX) and s3.list_objects_v2(Bucket=name, MaxKeys=1).get("KeyCount"):
            yield name


def _empty(target: Target, bucket: str) -> None:
    for page in _pages(target, "s3", "list_objects_v2", Bucket=bucket):
        keys = [{"Key": each["Key"]} for each in page.get("Contents", [])]
        if keys:
            target.client("s3").delete_objects(Bucket=bucket, Delete={"Objects": keys})


def _stacks(target: Target) -> Iterator[str]:
    for page in _pages(target, "cloudformation", "describe_stacks"):
        yield from (
            each["StackName"] for each in page["Stacks"] if each["StackStatus"] != "DELETE_COMPLETE"
        )


def _log_groups(target: Target) -> Iterator[str]:
    prefix = f"{_ENDPOINT_LOGS}{PREFIX}"
    for page in _pages(target, "logs", "describe_log_groups", logGroupNamePrefix=prefix):
        yield from (each["logGroupName"] for each in page["logGroups"])


def _streams_of(group: str) -> Names:
    """Of jobs: the group is the account's."""

    def listed(target: Target) -> Iterator[str]:
        names = {"logGroupName": group, "logStreamNamePrefix": PREFIX}
        try:
            for page in _pages(target, "logs", "describe_log_streams", **names):
                yield from (each["logStreamName"] for each in page["logStreams"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise

    return listed


def _log_streams(group: str) -> Kind:
    return Kind(
        name=f"log stream of {group}",
        listed=_streams_of(group),
        delete=lambda target, name: target.client("logs").delete_log_stream(
            logGroupName=group, logStreamName=name
        ),
    )


def _call(service: str, method: str, parameter: str) -> Callable[[Target, str], object]:
    return lambda target, name: getattr(target.client(service), method)(**{parameter: name})


KINDS = (
    _sagemaker("MonitoringSchedule", "MonitoringScheduleSummaries"),
    _job("ProcessingJob"),
    _job("TransformJob"),
    _sagemaker("Endpoint", "Endpoints"),
    _sagemaker("EndpointConfig", "EndpointConfigs"),
    _sagemaker("Model", "Models"),
    Kind(name="model package", listed=_packages, delete=_delete_package),
    Kind(
        name="pipeline",
        listed=lambda target: (
            each["PipelineName"]
            for page in _pages(target, "sagemaker", "list_pipelines", PipelineNamePrefix=_STEM)
            for each in page["PipelineSummaries"]
        ),
        delete=_call("sagemaker", "delete_pipeline", "PipelineName"),
    ),
    _sagemaker("FeatureGroup", "FeatureGroupSummaries"),
    Kind(
        name="delivery stream",
        listed=_delivery_streams,
        delete=_call("firehose", "delete_delivery_stream", "DeliveryStreamName"),
    ),
    Kind(name="schedule", listed=_schedules, delete=_call("scheduler", "delete_schedule", "Name")),
    Kind(name="rule with targets", listed=_rules_with_targets, delete=_remove_targets),
    Kind(name="bucket with objects", listed=_full_buckets, delete=_empty),
    Kind(
        name="stack",
        listed=_stacks,
        delete=_call("cloudformation", "delete_stack", "StackName"),
    ),
    Kind(
        name="log group",
        listed=_log_groups,
        delete=_call("logs", "delete_log_group", "logGroupName"),
        before=_ENDPOINT_LOGS,
    ),
    *map(_log_streams, _JOB_LOGS),
)
# What others cannot go before: the rest is waited for at the end.
WAITED = {"endpoint", "feature group", "delivery stream", "processing job", "transform job"}
