"""Hyperparameter tuning jobs."""

import threading
from typing import Any

from local_aws.sagemaker import queries
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import in_use
from local_aws.sagemaker.store import Document
from local_aws.sagemaker.tuning.records import TuningRecords
from local_aws.sagemaker.tuning.request import read
from local_aws.sagemaker.tuning.run import TuningRun

_SUMMARY = "HyperParameterTuningJobSummaries"


class HyperParameterTuning:
    """CreateHyperParameterTuningJob and its family."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._records = TuningRecords(context)
        self._running: dict[str, TuningRun] = {}
        self._lock = threading.Lock()

    def create_hyper_parameter_tuning_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start a tuning job."""
        tuning = read(self._context, request)
        parents = [
            parent["HyperParameterTuningJobName"] for parent in self._records.parents(request)
        ]
        prior = self._records.observations(parents, tuning.space, tuning.maximize)
        identical = (
            request.get("WarmStartConfig", {}).get("WarmStartType") == "IdenticalDataAndAlgorithm"
        )
        arn = self._records.jobs.create(request, self._records.counters(tuning.name))
        run = TuningRun(self._context, self._records, tuning, prior, parents if identical else [])
        with self._lock:
            self._running = {k: v for k, v in self._running.items() if not v.ended.is_set()}
            self._running[tuning.name] = run
        run.start()
        return {"HyperParameterTuningJobArn": arn}

    def describe_hyper_parameter_tuning_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """All about a tuning job, its training jobs counted as they are now."""
        document = self._records.jobs.get(request["HyperParameterTuningJobName"])
        return {**document, **self._records.counters(document["HyperParameterTuningJobName"])}

    def list_hyper_parameter_tuning_jobs(self, request: dict[str, Any]) -> dict[str, Any]:
        """Tuning jobs, by name as AWS documents."""
        jobs = self._records.jobs
        documents = queries.select(
            self._context.store.list(jobs.kind),
            {"SortBy": "Name", **request},
            default_order="Ascending",
            name=jobs.name_member,
            status=jobs.status_member,
        )
        return queries.page(documents, request, _SUMMARY, _summary)

    def list_training_jobs_for_hyper_parameter_tuning_job(
        self, request: dict[str, Any]
    ) -> dict[str, Any]:
        """The training jobs of a tuning job, by name unless asked otherwise."""
        return self._records.page(request)

    def stop_hyper_parameter_tuning_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask a tuning job to stop, and its training jobs with it."""
        name = request["HyperParameterTuningJobName"]
        self._records.jobs.stopping(name)
        with self._lock:
            run = self._running.get(name)
        if run is not None:
            run.stopping.set()
        return {}

    def delete_hyper_parameter_tuning_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Forget a tuning job that has ended; its training jobs stay."""
        name = request["HyperParameterTuningJobName"]
        document = self._records.jobs.get(name)
        if self._records.jobs.alive(name):
            status = document["HyperParameterTuningJobStatus"]
            raise in_use(f"tuning job '{name}' must have ended, it is {status}; stop it first")
        self._records.forget(name)
        return {}

    def recover(self) -> None:
        """Fail what an earlier run of the server left in progress."""
        self._records.jobs.recover()

    def shutdown(self) -> None:
        """End all tuning jobs' threads; the training jobs end with their own handler."""
        with self._lock:
            runs = list(self._running.values())
        for run in runs:
            run.abandoned.set()
        for run in runs:
            run.ended.wait(5.0)


def _summary(document: queries.Document) -> Document:
    config = document["HyperParameterTuningJobConfig"]
    return {
        **document,
        # In lower case in this list alone, where it is of nothing then (boto3 #4606).
        "HyperParameterTuningJobArn": document["HyperParameterTuningJobArn"].lower(),
        "Strategy": config["Strategy"],
        "ResourceLimits": config["ResourceLimits"],
    }
