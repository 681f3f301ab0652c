"""Whether a transform's role may hand the volume's key on under the project's condition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from operations.smoke.probes.packages import PYTHON_PATH
from operations.smoke.probes.probe import Seen, as_role, asks, refusal
from operations.smoke.run import NotSeenError
from pipeline_code.contracts.serving import CSV

if TYPE_CHECKING:
    from operations.smoke.run import Run

_WORDS = ("kms", "key", "grant")


@asks("volume-grant", minutes={"transform ml.m5.large": 10})
def transform(run: Run) -> Iterator[Seen]:
    """A transform job with a volume under the run's key."""
    sagemaker, name = run.client("sagemaker"), run.named("transform")
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=run.outputs["ModelRole"],
        PrimaryContainer={
            "Image": run.serving_image,
            "ModelDataUrl": f"s3://{run.bucket}/model.tar.gz",
            "Environment": {"PYTHONPATH": PYTHON_PATH},
        },
        Tags=run.tags(),
    )
    caller = as_role(run, "TransformingCaller", "sagemaker")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{run.bucket}/input/"}}

    def make() -> None:
        caller.create_transform_job(
            TransformJobName=name,
            ModelName=name,
            TransformInput={"ContentType": CSV, "DataSource": source},
            TransformOutput={"S3OutputPath": f"s3://{run.bucket}/scores"},
            TransformResources={
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeKmsKeyId": run.outputs["Key"],
            },
            Tags=run.tags(),
        )

    if (why := refusal(make, *_WORDS)) is None:
        why = _failure(run, name)
    reading = "granted" if why is None else "refused"
    yield Seen(question="volume-grant", reading=reading, detail=why or "")


def _failure(run: Run, name: str) -> str | None:
    """Why the job failed for the key, or None."""

    def ended() -> dict[str, str] | None:
        found: dict[str, str] = run.client("sagemaker").describe_transform_job(
            TransformJobName=name
        )
        return found if found["TransformJobStatus"] in ("Completed", "Failed", "Stopped") else None

    found = run.eventually(ended, f"transform job {name}")
    if found["TransformJobStatus"] == "Completed":
        return None
    why = str(found.get("FailureReason"))
    if not any(word in why.lower() for word in _WORDS):
        raise NotSeenError(f"the job {found['TransformJobStatus'].lower()}: {why}")
    return why
