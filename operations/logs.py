"""What has a log: the steps of the newest executions, their jobs, functions, and the endpoint."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from operations import executions, log_streams
from operations.deployment.status import NOT_DEPLOYED, stack_states
from operations.errors import OperationError
from operations.log_streams import Line, Log, job_log, last_lines
from operations.target import Target

__all__ = ["NamedLog", "find", "lines", "logs"]

_ENDPOINT = "/aws/sagemaker/Endpoints/"
# What the CDK makes of a log group's path: without the hash, and what every function's ends with.
_LOGICAL_ID = re.compile(r"(?P<name>.+?)(?:Handler)?Log[0-9A-F]{8}")
_NO_NAME = "ValidationException"
_EXECUTIONS = 5  # of each pipeline that are looked at
# How a job's state is asked for, by what its ARN calls it.
_JOBS = {
    "processing-job": ("describe_processing_job", "ProcessingJobName", "ProcessingJobStatus"),
    "training-job": ("describe_training_job", "TrainingJobName", "TrainingJobStatus"),
    "transform-job": ("describe_transform_job", "TransformJobName", "TransformJobStatus"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedLog:
    """A log by the name that people know it by.

    Attributes:
        kind: `step`, `job`, `function`, `endpoint`.
        of: What more there is to say: a step's job, a function's stack.
        job: ARN of the job that writes it; empty for what never ends.
    """

    name: str
    kind: str
    of: str
    log: Log
    job: str = ""

    def as_dict(self) -> dict[str, str]:
        return {
            "name": self.name,
            "kind": self.kind,
            "of": self.of,
            "group": self.log.group,
            "streams": self.log.prefix,
        }

    def has_ended(self, target: Target) -> bool:
        """Whether no more lines will come."""
        if not self.job:
            return False
        kind, _, name = self.job.rpartition(":")[2].partition("/")
        if kind not in _JOBS:  # of a tuning job's training jobs, one may be yet to begin
            return False
        describe, key, status = _JOBS[kind]
        found = getattr(target.client("sagemaker"), describe)(**{key: name})
        return str(found[status]) in ("Completed", "Failed", "Stopped")


def logs(target: Target) -> list[NamedLog]:
    """What has a log, the newest execution's steps first."""
    return [*_steps(target), *_groups(target)]


def lines(target: Target, source: NamedLog, count: int, *, follow: bool) -> Iterable[Line]:
    """The last lines of a log; if it is to be followed, then what comes until its job has ended."""
    if follow:
        return log_streams.follow(target, source.log, count, lambda: source.has_ended(target))
    return last_lines(target, source.log, count)


def find(target: Target, name: str) -> NamedLog:
    """The log of a step, a job, a function or an endpoint, by its name or a part of it.

    Raises:
        OperationError: If there is none, or several; the message names them.
    """
    known, aws_name = logs(target), re.split("[:/]", name)[-1]
    wanted = aws_name.casefold()
    exact = [each for each in known if wanted in (each.name.casefold(), each.of.casefold())]
    found = exact or [each for each in known if wanted in each.name.casefold()]
    found = found or _by_aws_name(target, aws_name)
    if len(found) == 1:
        return found[0]
    names = ", ".join(each.name for each in found or known)
    raise OperationError(
        f"log must be of a step, a job, a function or the endpoint, got {name!r}, which is "
        f"{'one of several' if found else 'none'}: {names}"
    )


def _steps(target: Target) -> Iterator[NamedLog]:
    """Of each step the newest job; the newest execution may have failed before it."""
    seen = set()
    for execution in executions.newest(target, of_each=_EXECUTIONS):
        for step in executions.describe(target, execution).steps:
            if step.job and step.name not in seen:
                seen.add(step.name)
                name, job = step.name, step.job
                of = job.rpartition("/")[2]
                yield NamedLog(name=name, kind="step", of=of, log=job_log(job), job=job)


def _groups(target: Target) -> Iterator[NamedLog]:
    """The log groups of the stacks: the endpoint's, and one a function."""
    pages = target.client("cloudformation").get_paginator("list_stack_resources")
    for stack, state in stack_states(target).items():
        if state == NOT_DEPLOYED:
            continue
        for page in pages.paginate(StackName=stack):
            for resource in page["StackResourceSummaries"]:
                if resource["ResourceType"] == "AWS::Logs::LogGroup":
                    yield _group(stack, resource)


def _group(stack: str, resource: dict[str, Any]) -> NamedLog:
    group = resource["PhysicalResourceId"]
    if group.startswith(_ENDPOINT):
        return NamedLog(
            name="endpoint", kind="endpoint", of=group[len(_ENDPOINT) :], log=Log(group)
        )
    logical_id = resource["LogicalResourceId"]
    named = _LOGICAL_ID.fullmatch(logical_id)
    name = named["name"] if named else logical_id
    return NamedLog(name=name, kind="function", of=stack, log=Log(group))


def _by_aws_name(target: Target, name: str) -> list[NamedLog]:
    """The function of that name, or the job if it has logged."""
    try:
        found = target.client("lambda").get_function_configuration(FunctionName=name)
    except ClientError as error:
        # What may not be the name of a function is refused as such, and may be a job's.
        if error.response["Error"]["Code"] not in ("ResourceNotFoundException", _NO_NAME):
            raise
    else:
        group = found["LoggingConfig"]["LogGroup"]
        return [NamedLog(name=name, kind="function", of="", log=Log(group))]
    arns = (f"arn:{kind}/{name}" for kind in _JOBS)
    return [
        NamedLog(name=name, kind="job", of="", log=job_log(arn), job=arn)
        for arn in arns
        if last_lines(target, job_log(arn), 1)
    ]
