"""The plan of a training job, by its request: hosts, files, and the model's output."""

import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from local_aws.sagemaker import containers, data
from local_aws.sagemaker.errors import unsupported, validation
from local_aws.sagemaker.jobs import clusters
from local_aws.sagemaker.jobs.plan import Checkpoints, Host, Plan
from local_aws.sagemaker.jobs.records import only

DEFAULT_SECONDS = 86400
_LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_CHECKPOINTS = "/opt/ml/checkpoints"
# What the request may hold without effect here is accepted; what would change the result is not.
_UNSUPPORTED = (
    "DebugRuleConfigurations",
    "TensorBoardOutputConfig",
    "ServerlessJobConfig",
    "MlflowConfig",
    "ModelPackageConfig",
)
_LOG = logging.getLogger(__name__)


def check(request: Mapping[str, Any]) -> None:
    """Refuse what cannot run here, or nowhere.

    Raises:
        ServiceError: Naming the member.
    """
    for member in _UNSUPPORTED:
        if request.get(member):
            raise unsupported(f"{member} of a training job", "leave it out")
    algorithm = request.get("AlgorithmSpecification", {})
    if "TrainingImage" not in algorithm:
        raise unsupported("AlgorithmName", "give AlgorithmSpecification.TrainingImage")
    for member in ("OutputDataConfig", "ResourceConfig", "StoppingCondition"):
        if member not in request:
            raise validation(f"{member} must be given; a training job needs it")
    only(algorithm["TrainingInputMode"], ("File", "FastFile"), "TrainingInputMode")
    if request["ResourceConfig"].get("InstanceGroups"):
        raise unsupported("InstanceGroups", "give ResourceConfig.InstanceType and InstanceCount")
    _check_spot(request)


def make_plan(
    request: Mapping[str, Any], root: Path, arn: str, names: Sequence[str], arguments: Sequence[str]
) -> Plan:
    """A job that is ready to run.

    Args:
        request: The request, which `check` has passed.
        root: The job's folder.
        arn: The job.
        names: Its hosts.
        arguments: What each host runs.

    Raises:
        ServiceError: If a channel, output or checkpoint cannot be had.
    """
    hosts = [
        Host(
            name=name,
            label=label,
            root=host_root,
            inputs=list(_channels(request, host_root, (index, len(names)))),
            files=_files(request, name, names),
        )
        for index, (name, (label, host_root)) in enumerate(
            zip(names, clusters.roots(root, len(names)), strict=True)
        )
    ]
    name, result, stopping = request["TrainingJobName"], root / "result", _stopping(request)
    spot = request.get("EnableManagedSpotTraining", False)
    return Plan(
        name=name,
        root=root,
        hosts=hosts,
        role_arn=request["RoleArn"],
        image=request["AlgorithmSpecification"]["TrainingImage"],
        arguments=arguments,
        variables={
            **request.get("Environment", {}),
            "TRAINING_JOB_NAME": name,
            "TRAINING_JOB_ARN": arn,
        },
        outputs=[
            data.S3Folder(
                uri=output_uri(request),
                path=result,
                key_id=request["OutputDataConfig"].get("KmsKeyId") or None,
            )
        ],
        folders=("model", "output/data"),
        message="output/failure",
        log_group=_LOG_GROUP,
        max_seconds=stopping["MaxRuntimeInSeconds"],
        isolated=request.get("EnableNetworkIsolation", False),
        package=lambda: _package([host.root for host in hosts], result, compressed(request)),
        uploads_when_stopped=True,
        checkpoints=_checkpoints(request),
        max_wait_seconds=stopping["MaxWaitTimeInSeconds"] if spot else None,
    )


def output_uri(request: Mapping[str, Any]) -> str:
    """The prefix that a job's model is put below."""
    path: str = request["OutputDataConfig"]["S3OutputPath"]
    data.split(path, "OutputDataConfig.S3OutputPath")
    return f"{path.rstrip('/')}/{request['TrainingJobName']}/output"


def compressed(request: Mapping[str, Any]) -> bool:
    """Whether a job's model becomes an archive."""
    return bool(request["OutputDataConfig"].get("CompressionType", "GZIP") == "GZIP")


def _stopping(request: Mapping[str, Any]) -> dict[str, int]:
    return {"MaxRuntimeInSeconds": DEFAULT_SECONDS, **request["StoppingCondition"]}


def _check_spot(request: Mapping[str, Any]) -> None:
    wait = request["StoppingCondition"].get("MaxWaitTimeInSeconds")
    if not request.get("EnableManagedSpotTraining", False):
        if wait is not None:
            raise validation(
                f"MaxWaitTimeInSeconds must be absent, got {wait}; it needs "
                "EnableManagedSpotTraining"
            )
        return
    longest = _stopping(request)["MaxRuntimeInSeconds"]
    if wait is None or wait < longest:
        raise validation(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
            f"MaxRuntimeInSeconds ({longest}), got {wait}"
        )


def _checkpoints(request: Mapping[str, Any]) -> Checkpoints | None:
    config = request.get("CheckpointConfig")
    if config is None:
        return None
    data.split(config["S3Uri"], "CheckpointConfig.S3Uri")
    path = containers.local_path(
        Path(), config.get("LocalPath", _CHECKPOINTS), "CheckpointConfig.LocalPath"
    )
    return Checkpoints(uri=config["S3Uri"], path=path)


def _channels(
    request: Mapping[str, Any], root: Path, place: tuple[int, int]
) -> Iterator[data.S3Folder]:
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
        yield data.S3Folder(
            uri=source["S3Uri"],
            path=root / "input/data" / channel["ChannelName"],
            shard=place if _distribution(channel) == "ShardedByS3Key" else None,
        )


def _distribution(channel: Mapping[str, Any]) -> str:
    source = channel["DataSource"]["S3DataSource"]
    return str(source.get("S3DataDistributionType", "FullyReplicated"))


def _package(roots: Sequence[Path], result: Path, as_archive: bool) -> None:
    """Put the model and any other output where they are uploaded from."""
    for path, name in (("model", "model"), ("output/data", "output")):
        folder = _merged([root / path for root in roots], result.with_name(f"merged-{name}"))
        if name == "output" and not any(folder.iterdir()):
            continue
        if as_archive:
            data.pack(folder, result / f"{name}.tar.gz")
        else:
            shutil.copytree(folder, result / name)


def _merged(folders: Sequence[Path], target: Path) -> Path:
    """The content of all hosts' folders; of two files of one path, the first host's is kept."""
    if len(folders) == 1:
        return folders[0]
    target.mkdir()
    for folder in folders:
        for source in sorted(path for path in folder.rglob("*") if path.is_file()):
            file = target / source.relative_to(folder)
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, file)
            elif file.read_bytes() != source.read_bytes():
                _LOG.warning("%s differs from the first host's and is dropped", source)
    return target


def _files(request: Mapping[str, Any], current: str, names: Sequence[str]) -> dict[str, Any]:
    instance = request["ResourceConfig"].get("InstanceType", "ml.m5.large")
    group = {"instance_group_name": "homogeneousCluster", "instance_type": instance}
    return {
        "input/config/hyperparameters.json": request.get("HyperParameters", {}),
        "input/config/resourceconfig.json": {
            "current_host": current,
            "current_instance_type": instance,
            "current_group_name": "homogeneousCluster",
            "hosts": list(names),
            "instance_groups": [{**group, "hosts": list(names)}],
            "network_interface_name": "eth0" if len(names) == 1 else "lo",
        },
        "input/config/inputdataconfig.json": {
            channel["ChannelName"]: {
                "TrainingInputMode": channel.get("InputMode", "File"),
                "S3DistributionType": _distribution(channel),
                "RecordWrapperType": channel.get("RecordWrapperType", "None"),
                **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
            }
            for channel in request.get("InputDataConfig", [])
        },
    }
