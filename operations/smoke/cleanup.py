"""Deletion of all that runs of the smoke test have made, and of nothing else.

What is there is found in the account by its name, so that a run that was killed, on whatever
machine, is cleaned up after by the next one. Most of what a run makes is in stacks of its own,
which CloudFormation takes apart; the rest is of the kinds below, in the order of their deletion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from operations import progress
from operations.errors import OperationError
from operations.smoke.run import PREFIX
from operations.waiting import looks

if TYPE_CHECKING:
    from operations.target import Target

__all__ = ["SECONDS", "clean", "leftovers"]

# For all of it; an endpoint that is being made can be deleted once it has been made.
SECONDS = 900.0
# SageMaker takes no hyphen at the end of what it looks for.
_STEM = PREFIX.rstrip("-")
_GONE = ("NotFound", "does not exist", "Could not find", "NoSuchEntity", "NoSuchBucket")
_ENDPOINT_LOGS = "/aws/sagemaker/Endpoints/"
_JOB_LOGS = ("/aws/sagemaker/ProcessingJobs", "/aws/sagemaker/TransformJobs")
Names = Callable[["Target"], Iterable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is made without a stack.

    Attributes:
        name: What it is called here.
        listed: The names of those there are that begin with the prefix.
        delete: Deletes one, or begins to.
        before: What may come before the prefix in a name.
    """

    name: str
    listed: Names
    delete: Callable[[Target, str], object]
    before: str = ""


def clean(target: Target) -> list[str]:
    """Delete all that runs have made, and wait until it is gone.

    Returns:
        What was there: `kind name`.

    Raises:
        OperationError: If something could not be deleted, naming it and why.
    """
    found: dict[str, None] = {}
    reasons: dict[str, str] = {}
    for _turn in looks(SECONDS):
        left = leftovers(target)
        found |= dict.fromkeys(left)
        if not left:
            return list(found)
        progress.update("clean-up", f"{len(left)} left, such as {left[0]}", passing=True)
        _delete_once(target, reasons)
    why = "; ".join(f"{each}: {reasons.get(each, 'still there')}" for each in left)
    raise OperationError(
        f"nothing of {PREFIX}* must be left in account {target.account}, got "
        f"{why}; repeat with `fraudloop smoke --clean`"
    )


def leftovers(target: Target) -> list[str]:
    """What runs have left in the account: `kind name`."""
    return [f"{kind.name} {name}" for kind in _KINDS for name in _named(target, kind)]


def _named(target: Target, kind: Kind) -> list[str]:
    """The only names that are ever deleted."""
    own = f"{kind.before}{PREFIX}"
    return [name for name in kind.listed(target) if name.rpartition(":")[2].startswith(own)]


def _delete_once(target: Target, reasons: dict[str, str]) -> None:
    """Delete what can be deleted now: a kind is waited for before what it hangs on goes."""
    for kind in _KINDS:
        names = _named(target, kind)
        for name in names:
            try:
                kind.delete(target, name)
            except ClientError as error:
                if not any(word in str(error) for word in _GONE):
                    reasons[f"{kind.name} {name}"] = str(error)
        if names and kind.name in _WAITED:
            return


def _pages(target: Target, service: str, method: str, **arguments: Any) -> Iterator[Any]:
    return iter(target.client(service).get_paginator(method).paginate(**arguments))


def _of_sagemaker(method: str, member: str, field: str) -> Names:
    def listed(target: Target) -> Iterator[str]:
        for page in _pages(target, "sagemaker", method, NameContains=_STEM):
            yield from (each[field] for each in page[member])

    return listed


def _running(method: str, member: str, field: str, status: str) -> Names:
    """Jobs cannot be deleted, but stopped."""

    def listed(target: Target) -> Iterator[str]:
        for page in _pages(target, "sagemaker", method, NameContains=_STEM):
            yield from (
                each[field] for each in page[member] if each[status] in ("InProgress", "Stopping")
            )

    return listed


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


def _log_streams(target: Target) -> Iterator[str]:
    """Of jobs: their groups are the account's."""
    for group in _JOB_LOGS:
        try:
            names = {"logGroupName": group, "logStreamNamePrefix": PREFIX}
            for page in _pages(target, "logs", "describe_log_streams", **names):
                yield from (f"{group}:{each['logStreamName']}" for each in page["logStreams"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise


def _delete_log_stream(target: Target, name: str) -> None:
    group, _, stream = name.partition(":")
    target.client("logs").delete_log_stream(logGroupName=group, logStreamName=stream)


def _call(service: str, method: str, parameter: str) -> Callable[[Target, str], object]:
    return lambda target, name: getattr(target.client(service), method)(**{parameter: name})


def _sagemaker(noun: str, method: str, member: str, listing: str, field: str) -> Kind:
    return Kind(
        name=noun,
        listed=_of_sagemaker(listing, member, field),
        delete=_call("sagemaker", method, field),
    )


_KINDS = (
    _sagemaker(
        "monitoring schedule",
        "delete_monitoring_schedule",
        "MonitoringScheduleSummaries",
        "list_monitoring_schedules",
        "MonitoringScheduleName",
    ),
    Kind(
        name="processing job",
        listed=_running(
            "list_processing_jobs",
            "ProcessingJobSummaries",
            "ProcessingJobName",
            "ProcessingJobStatus",
        ),
        delete=_call("sagemaker", "stop_processing_job", "ProcessingJobName"),
    ),
    Kind(
        name="transform job",
        listed=_running(
            "list_transform_jobs",
            "TransformJobSummaries",
            "TransformJobName",
            "TransformJobStatus",
        ),
        delete=_call("sagemaker", "stop_transform_job", "TransformJobName"),
    ),
    _sagemaker("endpoint", "delete_endpoint", "Endpoints", "list_endpoints", "EndpointName"),
    _sagemaker(
        "endpoint configuration",
        "delete_endpoint_config",
        "EndpointConfigs",
        "list_endpoint_configs",
        "EndpointConfigName",
    ),
    _sagemaker("model", "delete_model", "Models", "list_models", "ModelName"),
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
    _sagemaker(
        "feature group",
        "delete_feature_group",
        "FeatureGroupSummaries",
        "list_feature_groups",
        "FeatureGroupName",
    ),
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
    Kind(name="log stream", listed=_log_streams, delete=_delete_log_stream),
)
# What others cannot go before: the rest is waited for at the end.
_WAITED = {"endpoint", "feature group", "delivery stream", "processing job", "transform job"}
