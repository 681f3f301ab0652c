"""Training jobs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from local_aws.sagemaker import containers, data, images
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.events import now
from local_aws.sagemaker.jobs import clusters, training_plan
from local_aws.sagemaker.jobs.jobs import Runner
from local_aws.sagemaker.jobs.plan import JobOutcome, Plan
from local_aws.sagemaker.jobs.records import JobRecords
from local_aws.sagemaker.metric_watch import MetricWatch
from local_aws.sagemaker.store import Document

_SWITCHES = (
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "EnableNetworkIsolation",
)
_SECONDARY = {"Running": "Training"}
_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Interrupted": "Training job interrupted: its instances were taken away",
    "Stopping": "Stopping the training job",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job wait time exceeded MaxWaitTimeInSeconds provided",
}


class Training:
    """CreateTrainingJob and its family."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._records = JobRecords(context, "Training")
        self._runner = Runner(context, "training")

    def create_training_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start a job."""
        training_plan.check(request)
        algorithm = request["AlgorithmSpecification"]
        images.check_job_image(self._context, algorithm["TrainingImage"], request["RoleArn"])
        # Without an entry point SageMaker runs the image with the argument "train".
        entrypoint = algorithm.get("ContainerEntrypoint")
        arguments = containers.command(
            entrypoint, algorithm.get("ContainerArguments", None if entrypoint else ["train"])
        )
        names = clusters.host_names(
            request["ResourceConfig"].get("InstanceCount"), "ResourceConfig.InstanceCount"
        )
        watch = MetricWatch(algorithm.get("MetricDefinitions", []))
        # Made before the job exists, so that a bad request leaves nothing behind.
        self._require_inputs(training_plan.make_plan(request, Path(), "", names, arguments))
        name = request["TrainingJobName"]
        arn = self._records.create(request, _described(request))
        self._context.watches[name] = watch
        root = self._runner.root(name)
        plan = training_plan.make_plan(request, root, arn, names, arguments)
        self._runner.start(
            replace(plan, on_line=watch.read),
            on_phase=lambda phase: self._on_phase(name, phase),
            on_end=lambda outcome: self._on_end(name, outcome, watch),
        )
        return {"TrainingJobArn": arn}

    def _require_inputs(self, plan: Plan) -> None:
        s3 = self._context.role_session(plan.role_arn, "SageMaker").client("s3")
        for source in plan.hosts[0].inputs:
            data.require_objects(s3, source.uri, plan.role_arn, "S3Uri")

    def describe_training_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """All about a job; of one that runs, the metrics so far."""
        document = self._records.get(request["TrainingJobName"])
        watch = self._context.watches.get(request["TrainingJobName"])
        if "FinalMetricDataList" not in document and watch is not None:
            document["FinalMetricDataList"] = watch.latest()
        return document

    def list_training_jobs(self, request: dict[str, Any]) -> dict[str, Any]:
        """Jobs, oldest first as AWS documents."""
        return self._records.page(request)

    def stop_training_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask a job to stop."""
        name = request["TrainingJobName"]
        self._records.stopping(name, lambda job: _enter(job, "Stopping"))
        self._runner.stop(name)
        return {}

    def recover(self) -> None:
        """Fail what an earlier run of the server left in progress."""
        self._runner.recover()
        self._records.recover(lambda job: _enter(job, "Failed"))

    def shutdown(self) -> None:
        """End all jobs."""
        self._runner.shutdown()

    def _on_phase(self, name: str, phase: str) -> None:
        def change(job: Document) -> None:
            if job["TrainingJobStatus"] == "InProgress":
                _enter(job, _SECONDARY.get(phase, phase))
            if phase == "Downloading":
                job.setdefault("TrainingStartTime", now())

        self._records.change(name, change)

    def _on_end(self, name: str, outcome: JobOutcome, watch: MetricWatch) -> None:
        def change(job: Document) -> None:
            ended = now()
            job["TrainingJobStatus"] = outcome.status
            exceeded = outcome.exceeded
            secondary = outcome.status if exceeded is None else f"{exceeded}Exceeded"
            _enter(job, secondary, outcome.failure_reason)
            job["TrainingEndTime"] = ended
            job["TrainingTimeInSeconds"] = round(ended - job.get("TrainingStartTime", ended))
            job["BillableTimeInSeconds"] = round(outcome.active_seconds)
            if outcome.failure_reason is not None:
                job["FailureReason"] = outcome.failure_reason
            job["FinalMetricDataList"] = watch.latest()

        self._records.change(name, change)


def _described(request: dict[str, Any]) -> Document:
    """What a description has beside the request: DescribeTrainingJob's answer always has
    ModelArtifacts (the API's model requires it), whatever becomes of the job."""
    ending = "model.tar.gz" if training_plan.compressed(request) else "model/"
    document: Document = {
        "ModelArtifacts": {"S3ModelArtifacts": f"{training_plan.output_uri(request)}/{ending}"},
        **{member: request.get(member, False) for member in _SWITCHES},
    }
    _enter(document, "Starting")
    return document


def _enter(job: Document, secondary: str, message: str | None = None) -> None:
    at = now()
    transitions = job.setdefault("SecondaryStatusTransitions", [])
    if transitions:
        transitions[-1]["EndTime"] = at
    job["SecondaryStatus"] = secondary
    said = _MESSAGES[secondary] if message is None else message
    transitions.append({"Status": secondary, "StartTime": at, "StatusMessage": said})
