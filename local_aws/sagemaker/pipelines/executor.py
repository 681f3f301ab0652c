"""Executes pipelines: steps in the order of their dependencies, independent ones in parallel."""

import logging
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import ServiceError
from local_aws.sagemaker.events import now
from local_aws.sagemaker.pipelines.definition import Definition, StepDefinition
from local_aws.sagemaker.pipelines.execution_records import ExecutionRecord
from local_aws.sagemaker.pipelines.steps import StepFailure, StepResult, StepRunner, StepStopped

DEFAULT_PARALLEL_STEPS = 2
_LONGEST_REASON = 1024
# What SageMaker retries of its own accord, whatever the step's policies say.
_BUILT_IN_RETRIES = {
    "ExceptionType": ["Step.SERVICE_FAULT", "Step.THROTTLING"],
    "IntervalSeconds": 1,
    "BackoffRate": 2.0,
    "MaxAttempts": 3,
}
_LOG = logging.getLogger(__name__)


class Execution:
    """One execution while it runs, in a thread of its own.

    Steps that have succeeded already (a retry) are not run again.
    """

    def __init__(self, context: Context, record: ExecutionRecord) -> None:
        self._context = context
        self._record = record
        self.stopping = threading.Event()
        self.ended = threading.Event()

    def start(self) -> None:
        """Begin to run."""
        name = f"pipeline-{self._record.id}"
        threading.Thread(target=self._run, daemon=True, name=name).start()

    def _run(self) -> None:
        try:
            definition = self._record.definition()
            runner = StepRunner(self._context, self._record, definition, self.stopping)
            parallel = self._record.document().get("ParallelismConfiguration", {})
            limit = parallel.get("MaxParallelExecutionSteps", DEFAULT_PARALLEL_STEPS)
            failures = self._run_steps(definition, runner, limit)
            if failures:
                reasons = "; ".join(f"{name}: {reason}" for name, reason in failures.items())
                self._record.set_status(
                    "Failed", f"Step failure: One or multiple steps failed: {reasons}"
                )
            else:
                self._record.set_status("Stopped" if self.stopping.is_set() else "Succeeded")
        except ServiceError as error:  # SageMaker may not assume the pipeline's role
            self._record.set_status("Failed", f"ClientError: {error.message}")
        except Exception as error:
            _LOG.exception("execution %s failed", self._record.arn)
            self._record.set_status("Failed", f"InternalServerError: {error!r}")
        finally:
            self.ended.set()

    def _run_steps(self, definition: Definition, runner: StepRunner, limit: int) -> dict[str, str]:
        """Run all steps that get to run; the reasons of those that failed."""
        succeeded = {
            step["StepName"] for step in self._record.steps() if step["StepStatus"] == "Succeeded"
        }
        waiting = {name: step for name, step in definition.steps.items() if name not in succeeded}
        running: dict[Future[str | None], str] = {}
        failures: dict[str, str] = {}
        with ThreadPoolExecutor(limit, thread_name_prefix=self._record.id) as pool:
            while True:
                if not failures and not self.stopping.is_set():
                    for step in self._ready(waiting, succeeded):
                        if len(running) < limit:
                            del waiting[step.name]
                            running[pool.submit(self._run_step, runner, step)] = step.name
                if not running:
                    return failures
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    name, reason = running.pop(future), future.result()
                    if reason is not None:
                        failures[name] = reason
                    elif not self.stopping.is_set() or self._has_succeeded(name):
                        succeeded.add(name)

    def _ready(
        self, waiting: dict[str, StepDefinition], succeeded: set[str]
    ) -> list[StepDefinition]:
        """Steps that may run now; those of a branch that was not taken never may."""
        return [
            step
            for step in waiting.values()
            if step.after <= succeeded
            and (step.branch is None or self._outcome(step.branch[0]) == step.branch[1])
        ]

    def _outcome(self, condition: str) -> bool:
        document = self._record.step(condition) or {}
        return bool(document.get("Properties", {}).get("Outcome") == "True")

    def _has_succeeded(self, name: str) -> bool:
        document = self._record.step(name) or {}
        return document.get("StepStatus") == "Succeeded"

    def _run_step(self, runner: StepRunner, step: StepDefinition) -> str | None:
        """Run a step, with retries; the reason if it failed."""
        attempt, began = 1, time.monotonic()
        self._begin(step)
        while True:
            try:
                result = runner.run(step, lambda metadata: self._note(step, Metadata=metadata))
                self._succeed(step, result)
                return None
            except StepStopped:
                self._note(step, StepStatus="Stopped", EndTime=now())
                return None
            except StepFailure as failure:
                pause = _pause(step, failure.exception_type, attempt, time.monotonic() - began)
                if pause is None or self.stopping.wait(pause):
                    return self._fail(step, failure.reason)
                attempt += 1
                self._note(step, AttemptCount=attempt)
            except Exception as error:
                _LOG.exception("step %s of %s failed", step.name, self._record.arn)
                return self._fail(step, f"InternalServerError: {error!r}")

    def _begin(self, step: StepDefinition) -> None:
        self._note(
            step,
            StepDisplayName=step.display_name,
            StepDescription=step.description,
            StepStatus="Starting",
            StartTime=now(),
            EndTime=None,
            FailureReason=None,
            Metadata=None,
            AttemptCount=1,
        )
        self._note(step, StepStatus="Executing")

    def _succeed(self, step: StepDefinition, result: StepResult) -> None:
        hit = None if result.source is None else {"SourcePipelineExecutionArn": result.source}
        self._note(
            step,
            StepStatus="Succeeded",
            EndTime=now(),
            Metadata=result.metadata,
            Properties=result.properties,
            CacheHitResult=hit,
        )

    def _fail(self, step: StepDefinition, reason: str) -> str:
        reason = reason[:_LONGEST_REASON]
        metadata = {"Fail": {"ErrorMessage": reason}} if step.type == "Fail" else None
        changes = {} if metadata is None else {"Metadata": metadata}
        self._note(step, StepStatus="Failed", EndTime=now(), FailureReason=reason, **changes)
        return reason

    def _note(self, step: StepDefinition, **changes: Any) -> None:
        self._record.set_step(step.name, step.type, changes)


def _pause(
    step: StepDefinition, exception_type: str | None, attempt: int, seconds: float
) -> float | None:
    """How long to wait before the next attempt; None if there is none."""
    for policy in (*step.retry_policies, _BUILT_IN_RETRIES):
        if exception_type is None or exception_type not in policy.get("ExceptionType", []):
            continue
        most, expiry = policy.get("MaxAttempts"), policy.get("ExpireAfterMin")
        if most is not None and attempt > most:
            return None
        if expiry is not None and seconds > expiry * 60:
            return None
        interval, rate = policy.get("IntervalSeconds", 1), policy.get("BackoffRate", 2.0)
        return float(interval * rate ** (attempt - 1))
    return None
