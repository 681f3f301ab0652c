"""Runs jobs: inputs from S3, a container's process, outputs to S3, each with the job's role.

Processing and training jobs differ in their plans only; `Runner` runs either, a thread a job.
"""

import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError

from local_aws.sagemaker import containers, data
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import ServiceError
from local_aws.sagemaker.job_plan import Outcome, Plan
from local_aws.sagemaker.logs import LogStream

# Set to 1 for the server, it keeps the private folders of ended jobs, to be looked at.
KEEP_FOLDERS = "FRAUDLOOP_KEEP_JOB_FOLDERS"
_LONGEST_MESSAGE = 1024
_POLL_SECONDS = 0.05
_LOG = logging.getLogger(__name__)


class Stopped(Exception):  # noqa: N818 - not an error: somebody asked for it
    """The job was asked to stop."""


class Runner:
    """Runs the jobs of one kind in threads.

    Args:
        context: Shared state; its `job_slots` bound how many run at once.
        kind: Such as `processing`; names folders and threads.
    """

    def __init__(self, context: Context, kind: str) -> None:
        self._context = context
        self._kind = kind
        self._running: dict[str, _Run] = {}
        self._lock = threading.Lock()

    def root(self, name: str) -> Path:
        """The private folder of a job."""
        return containers.make_root(self._context, f"{self._kind}-{name}")

    def start(
        self, plan: Plan, on_phase: Callable[[str], None], on_end: Callable[[Outcome], None]
    ) -> None:
        """Start a job.

        Args:
            plan: The job.
            on_phase: Called with `Downloading`, `Running` and `Uploading` as it gets there.
            on_end: Called once, in whichever way it ends.
        """
        run = _Run(self._context, plan, on_phase)

        def work() -> None:
            outcome = run.execute()
            with self._lock:
                self._running.pop(plan.name, None)
            try:
                if not run.abandoned:
                    on_end(outcome)
            finally:
                run.ended.set()

        with self._lock:
            self._running[plan.name] = run
        threading.Thread(target=work, daemon=True, name=f"{self._kind}-{plan.name}").start()

    def stop(self, name: str) -> bool:
        """Ask a job to stop; False if it does not run."""
        with self._lock:
            run = self._running.get(name)
        if run is None:
            return False
        run.stopping.set()
        return True

    def shutdown(self) -> None:
        """End the processes of all jobs, and leave their records to `recover`."""
        with self._lock:
            runs = list(self._running.values())
        for run in runs:
            run.abandoned = True
            run.grace_seconds = 1.0
            run.stopping.set()
        for run in runs:
            run.ended.wait(5.0)

    def recover(self) -> None:
        """End processes that a killed server left behind, and remove the jobs' folders."""
        start = str(self._context.ml_dir / f"{self._kind}-")
        for process in psutil.process_iter():
            try:
                if process.environ().get("SAGEMAKER_BASE_DIR", "").startswith(start):
                    process.kill()
            except psutil.Error:
                continue  # somebody else's, or gone
        if os.environ.get(KEEP_FOLDERS) == "1":
            return
        for root in self._context.ml_dir.glob(f"{self._kind}-*"):
            shutil.rmtree(root, ignore_errors=True)


class _Run:
    def __init__(self, context: Context, plan: Plan, on_phase: Callable[[str], None]) -> None:
        self._context = context
        self._plan = plan
        self._on_phase = on_phase
        self.stopping = threading.Event()
        self.ended = threading.Event()
        self.abandoned = False
        self.grace_seconds = 10.0

    def execute(self) -> Outcome:
        plan = self._plan
        try:
            while not self._context.job_slots.acquire(timeout=_POLL_SECONDS):
                self._check_stop()
            try:
                return self._steps()
            finally:
                self._context.job_slots.release()
        except Stopped:
            return Outcome(status="Stopped", exit_message=self._message())
        except data.TransferError as error:
            return Outcome(status="Failed", failure_reason=_shorten(str(error)))
        except (ServiceError, OSError, BotoCoreError) as error:
            return Outcome(
                status="Failed", failure_reason=_shorten(f"InternalServerError: {error}")
            )
        except Exception as error:
            _LOG.exception("job %s failed", plan.name)
            return Outcome(
                status="Failed", failure_reason=_shorten(f"InternalServerError: {error!r}")
            )
        finally:
            if os.environ.get(KEEP_FOLDERS) != "1":
                shutil.rmtree(plan.root, ignore_errors=True)

    def _steps(self) -> Outcome:
        plan, context = self._plan, self._context
        self._on_phase("Downloading")
        s3 = context.role_session(plan.role_arn, "SageMaker").client("s3")
        for source in plan.inputs:
            self._check_stop()
            data.download(s3, source)
        folders = [target.path for target in plan.outputs]
        for folder in (*folders, *(plan.root / path for path in plan.folders)):
            folder.mkdir(parents=True, exist_ok=True)
        for path, document in plan.files.items():
            file = plan.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(document, indent=2))
        self._check_stop()
        self._on_phase("Running")
        outcome = self._run_container()
        if outcome.status == "Completed" or outcome.timed_out:
            self._on_phase("Uploading")
            if plan.package is not None:
                plan.package()
            for target in plan.outputs:
                data.upload(s3, target)
        return outcome

    def _run_container(self) -> Outcome:
        plan = self._plan
        variables = containers.environment(
            self._context,
            plan.root,
            role_arn=plan.role_arn,
            session_name="SageMaker",
            variables=plan.variables,
            isolated=plan.isolated,
        )
        (plan.root / plan.message).parent.mkdir(parents=True, exist_ok=True)
        stream = f"{plan.name}/algo-1-{int(time.time())}"
        with LogStream(self._context, plan.log_group, stream) as log:
            container = containers.Container(plan.arguments, plan.root, variables, log)
            deadline = time.monotonic() + plan.max_seconds
            code: int | None = None
            while code is None:
                code = container.wait(_POLL_SECONDS)
                if code is None and self.stopping.is_set():
                    container.stop(self.grace_seconds)
                    raise Stopped
                if code is None and time.monotonic() > deadline:
                    container.stop(self.grace_seconds)
                    return Outcome(
                        status="Stopped",
                        timed_out=True,
                        exit_message=self._message(),
                        log=log.tail(),
                    )
            tail = log.tail()
        message = self._message()
        if code == 0:
            return Outcome(status="Completed", exit_message=message, log=tail)
        said = message if message is not None else "; ".join(tail[-3:])
        reason = _shorten(f"AlgorithmError: {said}", f", exit code: {code}")
        return Outcome(status="Failed", exit_message=message, failure_reason=reason, log=tail)

    def _message(self) -> str | None:
        try:
            text = (self._plan.root / self._plan.message).read_text(errors="replace").strip()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        return text[:_LONGEST_MESSAGE] if text else None

    def _check_stop(self) -> None:
        if self.stopping.is_set():
            raise Stopped


def _shorten(text: str, ending: str = "") -> str:
    return text[: _LONGEST_MESSAGE - len(ending)] + ending
