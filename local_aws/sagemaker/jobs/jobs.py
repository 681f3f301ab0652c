"""Runs jobs side by side, a thread for each.

Processing and training jobs differ in their plans only; `Runner` runs either.
"""

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from local_aws.sagemaker import containers
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.jobs.plan import JobOutcome, Plan
from local_aws.sagemaker.jobs.run import KEEP_FOLDERS, Run


class Runner:
    """Runs the jobs of one kind in threads.

    Args:
        context: Shared state; its `job_slots` bound how many run at once.
        kind: Such as `processing`; names folders and threads.
    """

    def __init__(self, context: Context, kind: str) -> None:
        self._context = context
        self._kind = kind
        self._running: dict[str, Run] = {}
        self._lock = threading.Lock()

    def root(self, name: str) -> Path:
        """The private folder of a job."""
        return containers.make_root(self._context, f"{self._kind}-{name}")

    def start(
        self, plan: Plan, on_phase: Callable[[str], None], on_end: Callable[[JobOutcome], None]
    ) -> None:
        """Start a job.

        Args:
            plan: The job.
            on_phase: Called with `Downloading`, `Running` and `Uploading` as it gets there, and
                with `Interrupted` and `Starting` when it has to begin anew.
            on_end: Called once, in whichever way it ends.
        """
        run = Run(self._context, plan, on_phase)

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
        """Remove what jobs of a killed server left; they ended with it."""
        if os.environ.get(KEEP_FOLDERS) == "1":
            return
        for root in self._context.ml_dir.glob(f"{self._kind}-*"):
            shutil.rmtree(root, ignore_errors=True)
