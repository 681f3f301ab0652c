"""A run of the smoke test: clean up, make what probes need, ask side by side, clean up."""

from __future__ import annotations

import contextvars
import io
import os
import socket
import tarfile
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from botocore.exceptions import BotoCoreError, ClientError

from local_aws.settings import ACCOUNT as EMBEDDED_ACCOUNT
from operations import progress
from operations.errors import OperationError, StoppedWaitingError
from operations.smoke.cleanup import clean
from operations.smoke.grants import Place
from operations.smoke.probes.probe import Probe, Seen
from operations.smoke.run import PREFIX, NotSeenError, Run, StoppedError, began, new_name
from operations.smoke.stacks import stack
from operations.smoke.template import own_template

if TYPE_CHECKING:
    from operations.target import Target

__all__ = ["answers", "check_alone"]

# Of the half hour, with time left to delete endpoints.
_ASKING_SECONDS = 23 * 60.0
# A run of another machine that is older was killed.
_LONGEST_SECONDS = 40 * 60.0
# Waiting for what may never come: a laptop is quicker.
_EMBEDDED_PACE = 1 / 20
_BY = "fraudloop:smoke-by"
_SERVICES = (
    *("cloudformation", "cloudwatch", "events", "firehose", "kms", "logs", "s3", "sagemaker"),
    *("sagemaker-runtime", "scheduler", "sqs", "sts"),
)
# A new role is known everywhere after seconds.
_SPREADING_SECONDS = 15.0
_SERVER = Path(__file__).with_name("server.py")


def answers(target: Target, probes: Sequence[Probe], image: str | None) -> dict[str, Seen]:
    """Ask, and leave nothing behind; what was seen of each question.

    Args:
        target: The account.
        probes: Those that ask.
        image: The environment's image, if it has one.

    Raises:
        OperationError: If another run goes on, or something could not be deleted.
        StoppedWaitingError: On Ctrl-C or SIGTERM, once all is deleted.
    """
    check_alone(target)
    with progress.activity("clean-up of earlier runs"):
        clean(target)
    run = Run(
        target=target,
        name=new_name(),
        image=image,
        deadline=time.monotonic() + _ASKING_SECONDS,
        pace=_EMBEDDED_PACE if target.account == EMBEDDED_ACCOUNT else 1.0,
    )
    try:
        with progress.activity(run.name):
            _prepare(run)
            return _asked(run, probes)
    except KeyboardInterrupt:
        raise StoppedWaitingError("stopped; all that the run had made is deleted") from None
    finally:
        run.stopping.set()
        with progress.activity("clean-up"):
            clean(target)


def check_alone(target: Target) -> None:
    """Refuse to delete what another run is asking with.

    Raises:
        OperationError: With its name.
    """
    pages = target.client("cloudformation").get_paginator("describe_stacks").paginate()
    for each in (each for page in pages for each in page["Stacks"]):
        tags = {tag["Key"]: tag["Value"] for tag in each.get("Tags", [])}
        if each["StackName"].startswith(PREFIX) and _goes_on(each["StackName"], tags.get(_BY)):
            raise OperationError(
                f"one run must go on in account {target.account} at a time, got "
                f"{each['StackName']} of {tags[_BY]}; wait for its end, or delete it by "
                "`fraudloop smoke --clean`"
            )


def _goes_on(name: str, by: str | None) -> bool:
    if by is None:
        return False
    host, _, process = by.rpartition(" ")
    if host == socket.gethostname():
        return int(process) != os.getpid() and psutil.pid_exists(int(process))
    return time.time() - began(name) < _LONGEST_SECONDS


def _prepare(run: Run) -> None:
    """The run's stack, and in its bucket a model's archive and something to score."""
    for service in _SERVICES:  # before there are threads, for which sessions are not made
        run.client(service)
    by = {"Key": _BY, "Value": f"{socket.gethostname()} {os.getpid()}"}
    run.outputs.update(stack(run, run.name, own_template(Place.of(run)), by))
    run.stopping.wait(_SPREADING_SECONDS * run.pace)
    s3 = run.client("s3")
    s3.put_object(Bucket=run.bucket, Key="model.tar.gz", Body=_archive())
    s3.put_object(Bucket=run.bucket, Key="input/rows.csv", Body=b"1,2\n")


def _archive() -> bytes:
    """A model that is no model: the server takes the place of the image's own."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        tar.add(_SERVER, "sitecustomize.py")
    return out.getvalue()


def _asked(run: Run, probes: Collection[Probe]) -> dict[str, Seen]:
    seen: dict[str, Seen] = {}
    with _pool(run, len(probes)) as pool:
        futures = [
            pool.submit(contextvars.copy_context().run, _ask, run, probe, seen) for probe in probes
        ]
        _raise_first(futures)
    return seen


@contextmanager
def _pool(run: Run, size: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that are told to stop when the run is: nothing is made any more once it has ended."""
    with ThreadPoolExecutor(max_workers=size, thread_name_prefix="probe") as pool:
        try:
            yield pool
        except BaseException:
            run.stopping.set()
            raise


def _raise_first(futures: Sequence[Future[None]]) -> None:
    """Wait for all of them, or for a bug in one."""
    ended, _others = wait_for(futures, return_when=FIRST_EXCEPTION)
    for future in ended:
        future.result()


def _ask(run: Run, probe: Probe, seen: dict[str, Seen]) -> None:
    """Ask; what stays open of the probe's questions has the reason."""
    why, begun = "not asked", time.monotonic()
    try:
        for each in probe.ask(run):
            seen[each.question] = each
            passed = time.monotonic() - begun
            progress.update(each.question, each.reading or "open", ended=True, seconds=passed)
    except (ClientError, BotoCoreError, NotSeenError, OperationError) as error:
        why = str(error)
    except StoppedError:
        why = "the run was stopped"
    for question in probe.questions:
        if question not in seen:
            seen[question] = Seen(question=question, reading=None, detail=why)
            progress.update(question, f"open: {why}", ended=True, failed=True)
