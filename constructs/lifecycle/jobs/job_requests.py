"""SageMaker job requests for the project's one image, alike in encryption, isolation and limits.

Values known only at deployment are placeholders such as `${KeyArn}`; whoever puts a definition
into a template replaces them with `Fn::Sub`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lifecycle.jobs.instance_types import check_instance_type
from pipeline_code.contracts.serving import PARQUET

__all__ = [
    "IMAGE_URI",
    "KEY_ARN",
    "REGION_VARIABLE",
    "Compute",
    "channel",
    "cluster",
    "entry_point",
    "limit",
    "processing_request",
    "s3_input",
]

IMAGE_URI: Final = "${ImageUri}"
KEY_ARN: Final = "${KeyArn}"
# boto3's variable; SageMaker does not promise one to processing containers.
REGION_VARIABLE: Final = "AWS_DEFAULT_REGION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compute:
    """Instances with an encrypted volume each.

    Attributes:
        instance_type: A type, or a pipeline parameter that holds one.
        volume_size_gib: Size of the volume.
        max_runtime_minutes: The job is stopped after this time.
        instance_count: How many there are.
        local_disk: Whether they have disks of their own, which take the volume's place and no key.
    """

    instance_type: Any
    volume_size_gib: int
    max_runtime_minutes: int
    instance_count: int = 1
    local_disk: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.instance_type, str):
            check_instance_type("instance_type", self.instance_type, local_disk=self.local_disk)


def entry_point(entry: str) -> list[str]:
    """The command of one of the image's entry points."""
    return ["python", "-m", "pipeline_code", entry]


def s3_input(name: str, uri: Any, local_path: str) -> dict[str, Any]:
    """A processing input: all objects below a prefix, copied before the job starts."""
    return {
        "InputName": name,
        "AppManaged": False,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": local_path,
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            "S3DataDistributionType": "FullyReplicated",
            "S3CompressionType": "None",
        },
    }


def processing_request(
    entry: str,
    *,
    role: str,
    compute: Compute,
    inputs: Sequence[dict[str, Any]],
    outputs: Mapping[str, Any],
    arguments: Sequence[Any] = (),
    environment: Mapping[str, Any] | None = None,
    calls_aws: bool = False,
    output_path: str | None = None,
    image: str = IMAGE_URI,
) -> dict[str, Any]:
    """A processing job of one entry point.

    Args:
        entry: The image's entry point.
        role: Placeholder of the role that the job runs as.
        compute: What it runs on.
        inputs: Made by `s3_input`.
        outputs: Output name to S3 URI.
        arguments: Command line of the entry point.
        environment: The entry point's settings.
        calls_aws: Whether the entry point itself calls AWS. If not, the job is isolated from every
            network: SageMaker moves the inputs and outputs.
        output_path: Where the job leaves its one output. If omitted, each output is at
            `/opt/ml/processing/output/<name>`.
        image: Placeholder of the image that it runs.
    """
    request: dict[str, Any] = {
        "AppSpecification": {"ImageUri": image, "ContainerEntrypoint": entry_point(entry)},
        "RoleArn": role,
        "ProcessingInputs": list(inputs),
        "ProcessingOutputConfig": {
            "KmsKeyId": KEY_ARN,
            "Outputs": [
                _s3_output(name, uri, output_path or f"/opt/ml/processing/output/{name}")
                for name, uri in outputs.items()
            ],
        },
        "ProcessingResources": {"ClusterConfig": cluster(compute)},
        "NetworkConfig": {
            "EnableInterContainerTrafficEncryption": True,
            "EnableNetworkIsolation": not calls_aws,
        },
        "StoppingCondition": limit(compute),
    }
    if arguments:
        request["AppSpecification"]["ContainerArguments"] = list(arguments)
    variables = {
        **({REGION_VARIABLE: "${AWS::Region}"} if calls_aws else {}),
        **(environment or {}),
    }
    if variables:
        request["Environment"] = variables
    return request


def cluster(compute: Compute) -> dict[str, Any]:
    """The instances of a job, with their encrypted volumes."""
    instances = {"InstanceCount": compute.instance_count, "InstanceType": compute.instance_type}
    if compute.local_disk:
        return instances
    return {**instances, "VolumeSizeInGB": compute.volume_size_gib, "VolumeKmsKeyId": KEY_ARN}


def limit(compute: Compute) -> dict[str, int]:
    """How long a job may run."""
    return {"MaxRuntimeInSeconds": compute.max_runtime_minutes * 60}


def channel(name: str, uri: Any) -> dict[str, Any]:
    """A training input: all Parquet files below a prefix, on every instance."""
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": uri,
        "S3DataDistributionType": "FullyReplicated",
    }
    return {
        "ChannelName": name,
        "ContentType": PARQUET,
        "DataSource": {"S3DataSource": source},
    }


def _s3_output(name: str, uri: Any, local_path: str) -> dict[str, Any]:
    return {
        "OutputName": name,
        "AppManaged": False,
        "S3Output": {
            "S3Uri": uri,
            "LocalPath": local_path,
            "S3UploadMode": "EndOfJob",
        },
    }
