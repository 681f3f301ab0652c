"""The records of tuning jobs and of the training jobs that they start."""

from collections.abc import Mapping, Sequence
from typing import Any

from local_aws.sagemaker import queries
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import validation
from local_aws.sagemaker.jobs.records import JobRecords
from local_aws.sagemaker.store import Document
from local_aws.sagemaker.tuning.search import Observation
from local_aws.sagemaker.tuning.space import Space

NOUN, KIND, TITLE = "HyperParameterTuning", "hyper-parameter-tuning-job", "HyperParameter Tuning"
_TRIAL = "tuning-training-job"
_ENDED = ("Completed", "Failed", "Stopped")
_SHOWN = ("TrainingJobStatus", "TrainingStartTime", "TrainingEndTime", "FailureReason")
_FINAL = "FinalHyperParameterTuningJobObjectiveMetric"


class TuningRecords:
    """What is kept of tuning jobs, beside the training jobs' own records."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.jobs = JobRecords(context, NOUN, KIND, TITLE)
        self._training = JobRecords(context, "Training")

    def keep_trial(self, tuning: str, training: str, arn: str, values: Mapping[str, str]) -> None:
        """Record a training job that a tuning job has started."""
        tuning_arn = self._context.arn(KIND, tuning)
        document = self._training.change(
            training, lambda job: job.update(TuningJobArn=tuning_arn), silent=True
        )
        trial = {
            "TrainingJobName": training,
            "TrainingJobArn": arn,
            "TuningJobName": tuning,
            "CreationTime": (document or {})["CreationTime"],
            "TunedHyperParameters": dict(values),
            "ObjectiveStatus": "Pending",
        }
        self._context.store.put(_TRIAL, f"{tuning}/{training}", trial)

    def end_trial(self, tuning: str, training: str, objective: Mapping[str, Any] | None) -> None:
        """Record what a training job has come to; None if it gave no objective."""

        def change(trial: Document) -> None:
            trial["ObjectiveStatus"] = "Failed" if objective is None else "Succeeded"
            if objective is not None:
                trial[_FINAL] = dict(objective)

        self._context.store.update(_TRIAL, f"{tuning}/{training}", change)

    def trials(self, tuning: str) -> list[Document]:
        """The summaries of a tuning job's training jobs, as they are now, by name."""
        found = []
        for trial in self._context.store.list(_TRIAL, f"{tuning}/"):
            job = self._context.store.get(self._training.kind, trial["TrainingJobName"]) or {}
            shown = {member: job[member] for member in _SHOWN if member in job}
            found.append({**trial, **shown})
        return found

    def page(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer of `ListTrainingJobsForHyperParameterTuningJob`."""
        name = self.jobs.get(request["HyperParameterTuningJobName"])[self.jobs.name_member]
        by = request.get("SortBy", "Name")
        trials = self.trials(name)
        if by == "FinalObjectiveMetricValue":  # the others are left out, as on AWS
            trials = [{**t, by: t[_FINAL]["Value"]} for t in trials if _FINAL in t]
        chosen = queries.select(
            trials,
            {"SortBy": "Name", **request},
            name="TrainingJobName",
            status="TrainingJobStatus",
            default_order="Ascending",
        )
        return queries.page(chosen, request, "TrainingJobSummaries")

    def forget(self, tuning: str) -> None:
        """Drop a tuning job; its training jobs stay."""
        for trial in self._context.store.list(_TRIAL, f"{tuning}/"):
            self._context.store.delete(_TRIAL, f"{tuning}/{trial['TrainingJobName']}")
        self._context.store.delete(self.jobs.kind, tuning)

    def parents(self, request: Mapping[str, Any]) -> list[Document]:
        """The tuning jobs that a request's WarmStartConfig names.

        Raises:
            ServiceError: If one does not exist, has not ended, or does not fit.
        """
        config = request.get("WarmStartConfig")
        if config is None:
            return []
        found = []
        for item in config["ParentHyperParameterTuningJobs"]:
            parent = self.jobs.get(item[self.jobs.name_member])
            _check_parent(parent, request, config["WarmStartType"])
            found.append(parent)
        return found

    def observations(
        self, tunings: Sequence[str], space: Space, maximize: bool
    ) -> list[Observation]:
        """What finished training jobs of tuning jobs say about the points of a space."""
        trials = [trial for tuning in tunings for trial in self.trials(tuning) if _FINAL in trial]
        known = [(trial["TunedHyperParameters"], trial[_FINAL]["Value"]) for trial in trials]
        sign = -1.0 if maximize else 1.0
        return [
            Observation({name: values[name] for name in space.names}, sign * value)
            for values, value in known
            if space.encode(values) is not None
        ]

    def best(self, tunings: Sequence[str], maximize: bool) -> Document | None:
        """The completed training job with the best objective; of equals the first."""
        trials = [
            trial
            for tuning in tunings
            for trial in self.trials(tuning)
            if _FINAL in trial and trial.get("TrainingJobStatus") == "Completed"
        ]
        sign = -1.0 if maximize else 1.0
        return min(trials, key=lambda trial: sign * trial[_FINAL]["Value"], default=None)

    def counters(self, tuning: str) -> dict[str, dict[str, int]]:
        """How many training jobs are in which state."""
        statuses = [trial.get("TrainingJobStatus") for trial in self.trials(tuning)]
        objectives = [trial["ObjectiveStatus"] for trial in self.trials(tuning)]
        return {
            "TrainingJobStatusCounters": {
                "Completed": statuses.count("Completed"),
                "InProgress": sum(status not in _ENDED for status in statuses),
                "RetryableError": 0,
                "NonRetryableError": statuses.count("Failed"),
                "Stopped": statuses.count("Stopped"),
            },
            "ObjectiveStatusCounters": {
                status: objectives.count(status) for status in ("Succeeded", "Pending", "Failed")
            },
        }


def _check_parent(parent: Document, request: Mapping[str, Any], kind: str) -> None:
    name, status = parent["HyperParameterTuningJobName"], parent["HyperParameterTuningJobStatus"]
    if status not in _ENDED:
        raise validation(f"parent tuning job '{name}' must have ended, it is {status}")
    member, config = "HyperParameterTuningJobObjective", "HyperParameterTuningJobConfig"
    if parent[config][member] != request[config].get(member):
        raise validation(f"parent tuning job '{name}' must have the same objective")
    if kind != "IdenticalDataAndAlgorithm":
        return
    old, new = parent["TrainingJobDefinition"], request["TrainingJobDefinition"]
    for part in ("AlgorithmSpecification", "InputDataConfig"):
        if old.get(part) != new.get(part):
            raise validation(
                f"parent tuning job '{name}' must have the same {part} for "
                f"IdenticalDataAndAlgorithm; use TransferLearning"
            )
