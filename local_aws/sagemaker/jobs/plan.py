"""The plan of a job before it runs, and its outcome."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_aws.sagemaker.data import S3Folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One instance of a job: a process with an `/opt/ml` of its own.

    Args:
        name: What the job's hosts know it by, and can reach it at.
        label: What it is called in logs, such as `algo-1`.
        root: Its `/opt/ml`.
        inputs: What is downloaded before it starts.
        files: JSON documents written below the root beforehand, by path.
    """

    name: str
    label: str
    root: Path
    inputs: Sequence[S3Folder]
    files: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """What a job keeps in S3 while it runs.

    Args:
        uri: Prefix in S3.
        path: Folder below each host's root.
    """

    uri: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One job, ready to run.

    Args:
        name: The job's name.
        root: The folder that all of it lies in; a single host's root.
        hosts: Its instances, at least one.
        role_arn: Whose permissions it has.
        image: The URI of its image.
        arguments: The process's command line.
        variables: Its environment, beside what every container gets.
        outputs: What is uploaded after it has succeeded.
        message: Path below a host's root where it leaves its message.
        log_group: Where its output goes.
        max_seconds: How long it may run.
        folders: Folders below a host's root that it finds, empty.
        isolated: Whether it has network isolation.
        package: Called after success, before the upload.
        uploads_when_stopped: Whether what it has made by then outlives a request to stop it.
        checkpoints: What it keeps in S3 while it runs, if anything.
        max_wait_seconds: For how long an interrupted job is started again, counted from its
            first start. None: a container that is ended from outside has failed.
        on_line: Called with every line that it prints.
    """

    name: str
    root: Path
    hosts: Sequence[Host]
    role_arn: str
    image: str
    arguments: Sequence[str]
    variables: dict[str, str]
    outputs: Sequence[S3Folder]
    message: str
    log_group: str
    max_seconds: float
    folders: Sequence[str] = ()
    isolated: bool = False
    package: Callable[[], None] | None = None
    uploads_when_stopped: bool = False
    checkpoints: Checkpoints | None = None
    max_wait_seconds: float | None = None
    on_line: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutcome:
    """How a job, or one attempt at it, ended.

    Args:
        status: `Completed`, `Failed` or `Stopped`.
        exit_message: What it left as its message, if anything.
        failure_reason: Why it failed; None if it did not.
        exceeded: The limit of time that ended it, `MaxRuntime` or `MaxWaitTime`, if one did.
        interrupted: Whether somebody else ended its container.
        uploaded: Whether its outputs are in S3.
        active_seconds: For how long its instances were used, all attempts together.
    """

    status: str
    exit_message: str | None = None
    failure_reason: str | None = None
    exceeded: str | None = None
    interrupted: bool = False
    uploaded: bool = False
    active_seconds: float = 0.0
