"""Training jobs."""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from local_aws.sagemaker import containers, data
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import unsupported, validation
from local_aws.sagemaker.events import now
from local_aws.sagemaker.job_plan import Outcome, Plan
from local_aws.sagemaker.job_records import JobRecords, one_instance, only
from local_aws.sagemaker.jobs import Runner
from local_aws.sagemaker.store import Document

_LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_DEFAULT_SECONDS = 86400
_SECONDARY = {"Downloading": "Downloading", "Running": "Training", "Uploading": "Uploading"}
_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}
# What the request may hold without effect here is accepted; what would change the result is not.
_UNSUPPORTED = (
    "CheckpointConfig",
    "DebugRuleConfigurations",
    "TensorBoardOutputConfig",
    "ServerlessJobConfig",
    "MlflowConfig",
    "ModelPackageConfig",
)


class Training:
    """CreateTrainingJob and its family."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._records = JobRecords(context, "Training")
        self._runner = Runner(context, "training")

    def create_training_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start a job."""
        arguments = self._check(request)
        name = request["TrainingJobName"]
        channels = list(_channels(request))
        result = _result(request)
        arn = self._records.create(request, {"SecondaryStatus": "Starting", **_starting()})
        root = self._runner.root(name)
        isolated = request.get("EnableNetworkIsolation", False)
        variables = {"TRAINING_JOB_NAME": name, "TRAINING_JOB_ARN": arn}
        self._runner.start(
            Plan(
                name=name,
                root=root,
                role_arn=request["RoleArn"],
                arguments=arguments,
                variables={**request.get("Environment", {}), **variables},
                inputs=[
                    data.S3Folder(uri=channel.uri, path=root / channel.path) for channel in channels
                ],
                outputs=[
                    data.S3Folder(uri=result.uri, path=root / result.path, key_id=result.key_id)
                ],
                files=_files(request),
                folders=("model", "output/data"),
                message="output/failure",
                log_group=_LOG_GROUP,
                max_seconds=request["StoppingCondition"].get(
                    "MaxRuntimeInSeconds", _DEFAULT_SECONDS
                ),
                isolated=isolated,
                package=lambda: _package(root, root / result.path, _compressed(request)),
            ),
            on_phase=lambda phase: self._on_phase(name, phase),
            on_end=lambda outcome: self._on_end(name, outcome),
        )
        return {"TrainingJobArn": arn}

    def describe_training_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """All about a job."""
        return self._records.get(request["TrainingJobName"])

    def list_training_jobs(self, request: dict[str, Any]) -> dict[str, Any]:
        """Jobs, newest first."""
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

    def _check(self, request: Mapping[str, Any]) -> list[str]:
        for member in _UNSUPPORTED:
            if request.get(member):
                raise unsupported(f"{member} of a training job", "leave it out")
        algorithm = request.get("AlgorithmSpecification", {})
        if "TrainingImage" not in algorithm:
            raise unsupported("AlgorithmName", "give AlgorithmSpecification.TrainingImage")
        for member in ("OutputDataConfig", "ResourceConfig", "StoppingCondition"):
            if member not in request:
                raise validation(f"{member} must be given; a training job needs it")
        containers.check_image(self._context, algorithm["TrainingImage"])
        only(algorithm["TrainingInputMode"], ("File", "FastFile"), "TrainingInputMode")
        one_instance(request["ResourceConfig"].get("InstanceCount"), "ResourceConfig.InstanceCount")
        # Without an entry point SageMaker runs the image with the argument "train".
        entrypoint = algorithm.get("ContainerEntrypoint")
        default = None if entrypoint else ["train"]
        return containers.command(entrypoint, algorithm.get("ContainerArguments", default))

    def _on_phase(self, name: str, phase: str) -> None:
        def change(job: Document) -> None:
            if job["TrainingJobStatus"] == "InProgress":
                _enter(job, _SECONDARY[phase])
            if phase == "Downloading":
                job["TrainingStartTime"] = now()

        self._records.change(name, change)

    def _on_end(self, name: str, outcome: Outcome) -> None:
        def change(job: Document) -> None:
            ended = now()
            job["TrainingJobStatus"] = outcome.status
            secondary = "MaxRuntimeExceeded" if outcome.timed_out else outcome.status
            _enter(job, secondary, outcome.failure_reason)
            job["TrainingEndTime"] = ended
            started = job.get("TrainingStartTime", ended)
            job["TrainingTimeInSeconds"] = job["BillableTimeInSeconds"] = round(ended - started)
            if outcome.failure_reason is not None:
                job["FailureReason"] = outcome.failure_reason
            if outcome.status == "Completed" or outcome.timed_out:
                ending = "model.tar.gz" if _compressed(job) else "model/"
                job["ModelArtifacts"] = {"S3ModelArtifacts": f"{_result(job).uri}/{ending}"}
            job["FinalMetricDataList"] = list(_metrics(job, outcome.log, ended))

        self._records.change(name, change)


def _starting() -> dict[str, Any]:
    document: Document = {}
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


def _channels(request: Mapping[str, Any]) -> Iterator[data.S3Folder]:
    for channel in request.get("InputDataConfig", []):
        field = f"InputDataConfig '{channel['ChannelName']}'"
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            raise unsupported(f"{field} that is not an S3DataSource", "give it an S3DataSource")
        only(source["S3DataType"], ("S3Prefix",), f"{field} S3DataType")
        only(channel.get("InputMode"), ("File", "FastFile"), f"{field} InputMode")
        only(channel.get("CompressionType"), ("None",), f"{field} CompressionType")
        only(channel.get("RecordWrapperType"), ("None",), f"{field} RecordWrapperType")
        data.split(source["S3Uri"], f"{field} S3Uri")
        yield data.S3Folder(uri=source["S3Uri"], path=Path("input/data") / channel["ChannelName"])


def _result(request: Mapping[str, Any]) -> data.S3Folder:
    config = request["OutputDataConfig"]
    data.split(config["S3OutputPath"], "OutputDataConfig.S3OutputPath")
    uri = f"{config['S3OutputPath'].rstrip('/')}/{request['TrainingJobName']}/output"
    return data.S3Folder(uri=uri, path=Path("result"), key_id=config.get("KmsKeyId") or None)


def _compressed(request: Mapping[str, Any]) -> bool:
    return bool(request["OutputDataConfig"].get("CompressionType", "GZIP") == "GZIP")


def _package(root: Path, result: Path, compressed: bool) -> None:
    """Put the model and any other output where they are uploaded from."""
    for folder, name in ((root / "model", "model"), (root / "output" / "data", "output")):
        if name == "output" and not any(folder.iterdir()):
            continue
        if compressed:
            data.pack(folder, result / f"{name}.tar.gz")
        else:
            shutil.copytree(folder, result / name)


def _files(request: Mapping[str, Any]) -> dict[str, Any]:
    instance = request["ResourceConfig"].get("InstanceType", "ml.m5.large")
    group = {"instance_group_name": "homogeneousCluster", "instance_type": instance}
    return {
        "input/config/hyperparameters.json": request.get("HyperParameters", {}),
        "input/config/resourceconfig.json": {
            "current_host": "algo-1",
            "current_instance_type": instance,
            "current_group_name": "homogeneousCluster",
            "hosts": ["algo-1"],
            "instance_groups": [{**group, "hosts": ["algo-1"]}],
            "network_interface_name": "eth0",
        },
        "input/config/inputdataconfig.json": {
            channel["ChannelName"]: {
                "TrainingInputMode": channel.get("InputMode", "File"),
                "S3DistributionType": channel["DataSource"]["S3DataSource"].get(
                    "S3DataDistributionType", "FullyReplicated"
                ),
                "RecordWrapperType": channel.get("RecordWrapperType", "None"),
                **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
            }
            for channel in request.get("InputDataConfig", [])
        },
    }


def _metrics(job: Document, log: Sequence[str], at: float) -> Iterator[dict[str, Any]]:
    """The last value that each of the job's metric definitions finds in its output."""
    for definition in job["AlgorithmSpecification"].get("MetricDefinitions", []):
        try:
            found = [m for line in log for m in re.findall(definition["Regex"], line)]
            if found:
                value = float(found[-1] if isinstance(found[-1], str) else found[-1][0])
                yield {"MetricName": definition["Name"], "Value": value, "Timestamp": at}
        except (re.error, ValueError):
            continue
