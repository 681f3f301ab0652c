"""Processing jobs."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from local_aws.behaviours.playing import plays
from local_aws.guesses import Guess
from local_aws.sagemaker import containers, data, images
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import unsupported
from local_aws.sagemaker.events import now
from local_aws.sagemaker.jobs import clusters
from local_aws.sagemaker.jobs.jobs import Runner
from local_aws.sagemaker.jobs.plan import Host, JobOutcome, Plan
from local_aws.sagemaker.jobs.records import JobRecords, only

_LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
_DEFAULT_SECONDS = 86400


class Processing:
    """CreateProcessingJob and its family."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._records = JobRecords(context, "Processing")
        self._runner = Runner(context, "processing")

    def create_processing_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start a job."""
        application = request["AppSpecification"]
        image, role_arn = application["ImageUri"], request["RoleArn"]
        if plays("image-at-once", "at-once"):
            images.check_job_image(self._context, image, role_arn, Guess.IMAGE_AT_ONCE)
        cluster = request["ProcessingResources"]["ClusterConfig"]
        names = clusters.host_names(
            cluster.get("InstanceCount"), "ProcessingResources.ClusterConfig.InstanceCount"
        )
        arguments = containers.command(
            application.get("ContainerEntrypoint"), application.get("ContainerArguments")
        )
        name = request["ProcessingJobName"]
        # Checked before the job exists, so that a bad request leaves nothing behind.
        list(_inputs(request, Path(), (0, 1)))
        list(_outputs(request, Path()))
        arn = self._records.create(request, {})
        root = self._runner.root(name)
        hosts = _hosts(request, root, arn, names)
        network = request.get("NetworkConfig", {})
        stopping = request.get("StoppingCondition", {})
        self._runner.start(
            Plan(
                name=name,
                root=root,
                hosts=hosts,
                role_arn=request["RoleArn"],
                image=image,
                arguments=arguments,
                variables=request.get("Environment", {}),
                outputs=[folder for host in hosts for folder in _outputs(request, host.root)],
                message="output/message",
                log_group=_LOG_GROUP,
                max_seconds=stopping.get("MaxRuntimeInSeconds", _DEFAULT_SECONDS),
                isolated=network.get("EnableNetworkIsolation", False),
            ),
            on_phase=lambda phase: self._on_phase(name, phase),
            on_end=lambda outcome: self._on_end(name, outcome),
        )
        return {"ProcessingJobArn": arn}

    def describe_processing_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """All about a job."""
        return self._records.get(request["ProcessingJobName"])

    def list_processing_jobs(self, request: dict[str, Any]) -> dict[str, Any]:
        """Jobs, oldest first as AWS documents."""
        return self._records.page(request)

    def stop_processing_job(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask a job to stop."""
        name = request["ProcessingJobName"]
        self._records.stopping(name)
        self._runner.stop(name)
        return {}

    def recover(self) -> None:
        """Fail what an earlier run of the server left in progress."""
        self._runner.recover()
        self._records.recover()

    def shutdown(self) -> None:
        """End all jobs."""
        self._runner.shutdown()

    def _on_phase(self, name: str, phase: str) -> None:
        if phase == "Running":
            self._records.change(
                name, lambda job: job.update(ProcessingStartTime=now()), silent=True
            )

    def _on_end(self, name: str, outcome: JobOutcome) -> None:
        changes: dict[str, Any] = {
            "ProcessingJobStatus": outcome.status,
            "ProcessingEndTime": now(),
            "ExitMessage": outcome.exit_message,
            "FailureReason": outcome.failure_reason,
        }
        if outcome.exceeded is not None:
            changes["FailureReason"] = (
                "ClientError: the job ran for longer than MaxRuntimeInSeconds"
            )
        kept = {key: value for key, value in changes.items() if value is not None}
        self._records.change(name, lambda job: job.update(kept))


def _hosts(request: Mapping[str, Any], root: Path, arn: str, names: Sequence[str]) -> list[Host]:
    shown = {key: value for key, value in request.items() if key != "Tags"}
    return [
        Host(
            name=name,
            label=label,
            root=host_root,
            inputs=list(_inputs(request, host_root, (index, len(names)))),
            files={
                "config/processingjobconfig.json": {"ProcessingJobArn": arn, **shown},
                "config/resourceconfig.json": {"current_host": name, "hosts": list(names)},
            },
        )
        for index, (name, (label, host_root)) in enumerate(
            zip(names, clusters.roots(root, len(names)), strict=True)
        )
    ]


def _inputs(
    request: Mapping[str, Any], root: Path, place: tuple[int, int]
) -> Iterator[data.S3Folder]:
    for item in request.get("ProcessingInputs", []):
        field = f"ProcessingInputs '{item['InputName']}'"
        source = item.get("S3Input")
        if source is None or item.get("AppManaged"):
            raise unsupported(f"{field} that is not an S3Input", "give it an S3Input")
        only(source["S3DataType"], ("S3Prefix",), f"{field} S3DataType")
        only(source.get("S3InputMode"), ("File",), f"{field} S3InputMode")
        only(source.get("S3CompressionType"), ("None",), f"{field} S3CompressionType")
        data.split(source["S3Uri"], f"{field} S3Uri")
        path = containers.local_path(root, source.get("LocalPath", ""), f"{field} LocalPath")
        sharded = source.get("S3DataDistributionType") == "ShardedByS3Key"
        yield data.S3Folder(uri=source["S3Uri"], path=path, shard=place if sharded else None)


def _outputs(request: Mapping[str, Any], root: Path) -> Iterator[data.S3Folder]:
    config = request.get("ProcessingOutputConfig", {})
    for item in config.get("Outputs", []):
        field = f"ProcessingOutputConfig '{item['OutputName']}'"
        target = item.get("S3Output")
        if target is None or item.get("AppManaged"):
            raise unsupported(f"{field} that is not an S3Output", "give it an S3Output")
        data.split(target["S3Uri"], f"{field} S3Uri")
        path = containers.local_path(root, target.get("LocalPath", ""), f"{field} LocalPath")
        yield data.S3Folder(uri=target["S3Uri"], path=path, key_id=config.get("KmsKeyId"))
