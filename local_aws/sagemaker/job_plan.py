"""What a job is, before it runs, and how it ended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_aws.sagemaker.data import S3Folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One job, ready to run.

    Args:
        name: The job's name.
        root: Its `/opt/ml`.
        role_arn: Whose permissions it has.
        arguments: The process's command line.
        variables: Its environment, beside what every container gets.
        inputs: What is downloaded before it starts.
        outputs: What is uploaded after it has succeeded.
        files: JSON documents written below the root beforehand, by path.
        message: Path below the root where it leaves its message.
        log_group: Where its output goes.
        max_seconds: How long it may run.
        folders: Folders below the root that it finds, empty.
        isolated: Whether it has network isolation.
        package: Called after success, before the upload.
    """

    name: str
    root: Path
    role_arn: str
    arguments: Sequence[str]
    variables: dict[str, str]
    inputs: Sequence[S3Folder]
    outputs: Sequence[S3Folder]
    files: dict[str, Any]
    message: str
    log_group: str
    max_seconds: float
    folders: Sequence[str] = ()
    isolated: bool = False
    package: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a job ended.

    Args:
        status: `Completed`, `Failed` or `Stopped`.
        exit_message: What it left as its message, if anything.
        failure_reason: Why it failed; None if it did not.
        timed_out: Whether it was stopped because it ran for too long.
        log: Its last lines.
    """

    status: str
    exit_message: str | None = None
    failure_reason: str | None = None
    timed_out: bool = False
    log: Sequence[str] = field(default_factory=list)
