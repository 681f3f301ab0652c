"""One job from its inputs in S3 to its outputs there, with the job's role.

A spot job may take several attempts: each begins with empty instances and what the one before
left in S3.
"""

import json
import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError

from local_aws.sagemaker import data
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import ServiceError
from local_aws.sagemaker.jobs.checkpoints import CheckpointSync
from local_aws.sagemaker.jobs.clusters import Cluster, ClusterExit
from local_aws.sagemaker.jobs.plan import Host, JobOutcome, Plan

# Set to 1 for the server, it keeps the private folders of ended jobs, to be looked at.
KEEP_FOLDERS = "FRAUDLOOP_KEEP_JOB_FOLDERS"
_LONGEST_MESSAGE = 1024
_POLL_SECONDS = 0.05
_KILLED = 137
_LOG = logging.getLogger(__name__)


class JobStoppedError(Exception):
    """The job was asked to stop."""


class Run:
    """A job while it runs.

    Args:
        context: Shared state; its `job_slots` bound how many jobs run at once.
        plan: The job.
        on_phase: Called with each phase as the job gets there.
    """

    def __init__(self, context: Context, plan: Plan, on_phase: Callable[[str], None]) -> None:
        self._context = context
        self._plan = plan
        self._on_phase = on_phase
        self._began = time.monotonic()
        self._ran_seconds = 0.0
        self._active_seconds = 0.0
        self.stopping = threading.Event()
        self.ended = threading.Event()
        self.abandoned = False
        # "SageMaker sends the algorithm the SIGTERM signal, which delays job termination for 120
        # seconds" (StopTrainingJob). For processing jobs: Guess.PROCESSING_STOPS.
        self.grace_seconds = 120.0

    def execute(self) -> JobOutcome:
        """Run the job to its end, whichever that is."""
        return replace(self._execute(), active_seconds=self._active_seconds)

    def _execute(self) -> JobOutcome:
        plan = self._plan
        try:
            while not self._context.job_slots.acquire(timeout=_POLL_SECONDS):
                self._check_stop()
            try:
                return self._attempts()
            finally:
                self._context.job_slots.release()
        except JobStoppedError:
            return JobOutcome(status="Stopped", exit_message=self._message())
        except data.TransferError as error:
            return JobOutcome(status="Failed", failure_reason=_shorten(str(error)))
        except (ServiceError, OSError, BotoCoreError) as error:
            return JobOutcome(
                status="Failed", failure_reason=_shorten(f"InternalServerError: {error}")
            )
        except Exception as error:
            _LOG.exception("job %s failed", plan.name)
            return JobOutcome(
                status="Failed", failure_reason=_shorten(f"InternalServerError: {error!r}")
            )
        finally:
            if os.environ.get(KEEP_FOLDERS) != "1":
                shutil.rmtree(plan.root, ignore_errors=True)

    def _attempts(self) -> JobOutcome:
        plan = self._plan
        while True:
            started = time.monotonic()
            try:
                outcome = self._attempt()
            finally:
                self._active_seconds += time.monotonic() - started
            if plan.max_wait_seconds is None or not outcome.interrupted:
                return outcome
            self._on_phase("Interrupted")
            if time.monotonic() - self._began >= plan.max_wait_seconds:
                return JobOutcome(status="Stopped", exceeded="MaxWaitTime")
            self._check_stop()
            shutil.rmtree(plan.root)
            self._on_phase("Starting")

    def _attempt(self) -> JobOutcome:
        plan = self._plan
        self._on_phase("Downloading")
        s3 = self._context.role_session(plan.role_arn, "SageMaker").client("s3")
        for host in plan.hosts:
            self._prepare(s3, host)
        for target in plan.outputs:
            target.path.mkdir(parents=True, exist_ok=True)
        sync = self._checkpoints(s3)
        self._check_stop()
        self._on_phase("Running")
        outcome = self._run_containers(sync)
        if outcome.status == "Failed":
            return outcome
        if outcome.status == "Stopped" and not outcome.exceeded and not plan.uploads_when_stopped:
            return outcome
        self._on_phase("Uploading")
        if plan.package is not None:
            plan.package()
        for target in plan.outputs:
            data.upload(s3, target)
        return replace(outcome, uploaded=True)

    def _prepare(self, s3: Any, host: Host) -> None:
        for source in host.inputs:
            self._check_stop()
            data.download(s3, source)
        for folder in self._plan.folders:
            (host.root / folder).mkdir(parents=True, exist_ok=True)
        for path, document in host.files.items():
            file = host.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(document, indent=2))
        (host.root / self._plan.message).parent.mkdir(parents=True, exist_ok=True)

    def _checkpoints(self, s3: Any) -> CheckpointSync | None:
        kept = self._plan.checkpoints
        if kept is None:
            return None
        folders = [host.root / kept.path for host in self._plan.hosts]
        staging = Path(tempfile.gettempdir(), f"checkpoint-{self._plan.name}")
        sync = CheckpointSync(s3, kept.uri, folders, staging)
        sync.download()
        return sync

    def _run_containers(self, sync: CheckpointSync | None) -> JobOutcome:
        if sync is not None:
            sync.start()
        started, killed = time.monotonic(), False
        try:
            with Cluster(self._context, self._plan) as cluster:
                end = self._await(cluster, sync)
            killed = isinstance(end, ClusterExit) and end.code == _KILLED
        finally:
            self._ran_seconds += time.monotonic() - started
            if sync is not None:
                sync.finish(copy_rest=not (killed or self.abandoned))
        return self._outcome(end) if isinstance(end, ClusterExit) else end

    def _await(self, cluster: Cluster, sync: CheckpointSync | None) -> ClusterExit | JobOutcome:
        """Wait for the containers to end, and end them if they have to."""
        plan = self._plan
        limits = {"MaxRuntime": plan.max_seconds - self._ran_seconds}
        if plan.max_wait_seconds is not None:
            waited = time.monotonic() - self._began
            limits["MaxWaitTime"] = plan.max_wait_seconds - waited
        exceeded = min(limits, key=lambda name: limits[name])
        deadline = time.monotonic() + limits[exceeded]
        while (end := cluster.wait(_POLL_SECONDS)) is None:
            if self.stopping.is_set():
                cluster.stop(self.grace_seconds)
                if self.abandoned:
                    raise JobStoppedError
                return JobOutcome(status="Stopped", exit_message=self._message())
            if time.monotonic() > deadline:
                cluster.stop(self.grace_seconds)
                return JobOutcome(status="Stopped", exceeded=exceeded, exit_message=self._message())
            if sync is not None and sync.error is not None:
                cluster.stop(self.grace_seconds)
                raise sync.error
        return end

    def _outcome(self, end: ClusterExit) -> JobOutcome:
        message = self._message(end.host)
        if end.code == 0:
            return JobOutcome(status="Completed", exit_message=message)
        said = message if message is not None else "; ".join(end.tail[-3:])
        reason = _shorten(f"AlgorithmError: {said}", f", exit code: {end.code}")
        return JobOutcome(
            status="Failed",
            exit_message=message,
            failure_reason=reason,
            interrupted=end.from_outside,
        )

    def _message(self, host: Host | None = None) -> str | None:
        root = (self._plan.hosts[0] if host is None else host).root
        try:
            text = (root / self._plan.message).read_text(errors="replace").strip()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        return text[:_LONGEST_MESSAGE] if text else None

    def _check_stop(self) -> None:
        if self.stopping.is_set():
            raise JobStoppedError


def _shorten(text: str, ending: str = "") -> str:
    return text[: _LONGEST_MESSAGE - len(ending)] + ending
