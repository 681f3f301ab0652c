"""A tuning job while it runs: it starts training jobs, and stops those that fall behind."""

import logging
import secrets
import threading
import time
from typing import Any

from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import ServiceError
from local_aws.sagemaker.events import now
from local_aws.sagemaker.store import Document
from local_aws.sagemaker.tuning.records import TuningRecords
from local_aws.sagemaker.tuning.request import Tuning
from local_aws.sagemaker.tuning.search import Observation, is_behind
from local_aws.sagemaker.tuning.trials import Trial, Trials

_POLL_SECONDS = 0.1
_LOG = logging.getLogger(__name__)


class TuningRun:
    """A tuning job in a thread of its own.

    Args:
        context: Shared state.
        records: Where it is kept.
        tuning: The tuning job.
        prior: What earlier tuning jobs have observed.
        parents: Those of them whose training jobs compete for the overall best.
    """

    def __init__(
        self,
        context: Context,
        records: TuningRecords,
        tuning: Tuning,
        prior: list[Observation],
        parents: list[str],
    ) -> None:
        self._context = context
        self._records = records
        self._tuning = tuning
        self._prior = prior
        self._parents = parents
        self._trials = Trials(tuning)
        self._began = time.monotonic()
        self.stopping = threading.Event()
        self.abandoned = threading.Event()
        self.ended = threading.Event()

    def start(self) -> None:
        """Begin to run."""
        name = f"tuning-{self._tuning.name}"
        threading.Thread(target=self._work, daemon=True, name=name).start()

    def _work(self) -> None:
        try:
            status, reason = self._run()
        except ServiceError as error:
            status, reason = "Failed", f"ClientError: {error}"
        except Exception as error:
            _LOG.exception("tuning job %s failed", self._tuning.name)
            status, reason = "Failed", f"InternalServerError: {error!r}"
        try:
            if not self.abandoned.is_set():
                self._stop_trials()
                while self._follow() and not self.abandoned.wait(_POLL_SECONDS):
                    pass
            if not self.abandoned.is_set():
                self._end(status, reason)
        finally:
            self.ended.set()

    def _run(self) -> tuple[str, str | None]:
        """Start training jobs until there is a reason to end: the status and failure reason."""
        exhausted = False
        while not self.abandoned.is_set():
            running = self._follow()
            if self.stopping.is_set():
                return "Stopped", None
            if (failure := self._trials.failure()) is not None:
                return "Failed", failure
            if self._is_done() or (exhausted and not running):
                return "Completed", None
            while not exhausted and len(running) < self._tuning.parallel:
                trial = self._start_next()
                if trial is None:
                    exhausted = True
                else:
                    running.append(trial)
            if self._tuning.stops_early:
                self._stop_those_behind(running)
            self.abandoned.wait(_POLL_SECONDS)
        return "Failed", None

    def _start_next(self) -> Trial | None:
        tuning, number = self._tuning, len(self._trials) + 1
        if number > tuning.most_jobs:
            return None
        values = tuning.search.propose(self._trials.history(self._prior))
        if values is None:
            return None
        name = f"{tuning.name}-{number:03}-{secrets.token_hex(4)}"
        answer = self._context.call("CreateTrainingJob", tuning.training_request(name, values))
        watch = self._context.watches.get(name)
        self._records.keep_trial(tuning.name, name, answer["TrainingJobArn"], values)
        trial = Trial(name=name, values=values, watch=watch)
        self._trials.append(trial)
        self._update()
        return trial

    def _follow(self) -> list[Trial]:
        """See how the training jobs are; those that still run."""
        running = []
        for trial in self._trials:
            if trial.status != "InProgress":
                continue
            job = self._context.call("DescribeTrainingJob", {"TrainingJobName": trial.name})
            if job["TrainingJobStatus"] in {"InProgress", "Stopping"}:
                running.append(trial)
                continue
            trial.status = job["TrainingJobStatus"]
            self._end_trial(trial, job)
        return running

    def _end_trial(self, trial: Trial, job: Document) -> None:
        found = [m for m in job["FinalMetricDataList"] if m["MetricName"] == self._tuning.metric]
        objective: dict[str, Any] | None = None
        if found and trial.status != "Failed":
            trial.objective = found[0]["Value"]
            kind = "Maximize" if self._tuning.maximize else "Minimize"
            objective = {
                "Type": kind,
                "MetricName": self._tuning.metric,
                "Value": trial.objective,
            }
        self._records.end_trial(self._tuning.name, trial.name, objective)
        self._update()

    def _is_done(self) -> bool:
        limit = self._tuning.seconds
        late = limit is not None and time.monotonic() - self._began > limit
        return late or self._trials.are_good_enough()

    def _stop_those_behind(self, running: list[Trial]) -> None:
        metric = self._tuning.metric
        completed = [
            trial.watch.values(metric)
            for trial in self._trials
            if trial.status == "Completed" and trial.watch is not None
        ]
        for trial in running:
            values = [] if trial.watch is None else trial.watch.values(metric)
            if values and is_behind(values, completed, self._tuning.maximize):
                self._stop(trial)

    def _stop_trials(self) -> None:
        for trial in self._trials:
            if trial.status == "InProgress":
                self._stop(trial)

    def _stop(self, trial: Trial) -> None:
        if trial.asked_to_stop:
            return
        trial.asked_to_stop = True
        try:
            self._context.call("StopTrainingJob", {"TrainingJobName": trial.name})
        except ServiceError:
            return  # it has just ended

    def _update(self, **changes: Any) -> None:
        """Keep the counters and the best training job; tell only if the status changes."""
        tuning = self._tuning
        best = self._records.best([tuning.name], tuning.maximize)
        overall = self._records.best([tuning.name, *self._parents], tuning.maximize)
        document = {
            **self._records.counters(tuning.name),
            "TuningJobCompletionDetails": {
                "NumberOfTrainingJobsObjectiveNotImproving": self._trials.not_improving()
            },
            "ConsumedResources": {"RuntimeInSeconds": round(time.monotonic() - self._began)},
            **({} if best is None else {"BestTrainingJob": best}),
            **({"OverallBestTrainingJob": overall} if self._parents and overall else {}),
            **changes,
        }
        self._records.jobs.change(tuning.name, lambda job: job.update(document), silent=not changes)

    def _end(self, status: str, reason: str | None) -> None:
        # Somebody may have asked it to stop while the last training jobs ended.
        ended = "Stopped" if self.stopping.is_set() and status == "Completed" else status
        changes = {"HyperParameterTuningJobStatus": ended, "HyperParameterTuningEndTime": now()}
        if reason is not None:
            changes["FailureReason"] = reason
        self._update(**changes)
