"""Scoring many transactions at once, offline, with the model behind the endpoint."""

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from operations import progress
from operations.errors import OperationError
from operations.executions import display_name, require_success, watch
from operations.target import Target
from pipeline_code.batch.tables import input_files
from pipeline_code.contracts.outputs import Output
from pipeline_code.contracts.pipelines import FeatureSource, PipelineParameter

__all__ = ["BatchExecution", "live_model", "start"]

_INPUT, _RESULTS, _WORK = "batch/input/", "batch/results/", "batch/executions/"
_RAW = "transactions/"


@dataclass(frozen=True)
class BatchExecution:
    """A batch that was started.

    Attributes:
        execution: ARN of the pipeline's execution.
        model: The model that scores: the endpoint's own.
        source: S3 prefix of the transactions.
        output: S3 prefix that will hold `results/`, `refused/`, `monitoring/` and `summary.json`.
    """

    execution: str
    model: str
    source: str
    output: str

    def as_dict(self) -> dict[str, Any]:
        return {
            "execution": self.execution,
            "model": self.model,
            "input": self.source,
            "output": self.output,
        }

    def wait(self, target: Target) -> dict[str, Any]:
        """Follow the batch to its end; returns its summary and the monitor's violations.

        Raises:
            OperationError: If a step failed, in its own words.
        """
        require_success(target, watch(target, self.execution))
        violations = self._read(target, "monitoring/constraint_violations.json")["violations"]
        return {**self._read(target, "summary.json"), "violations": violations}

    def _read(self, target: Target, name: str) -> dict[str, Any]:
        bucket, key = _split(f"{self.output}/{name}")
        document: dict[str, Any] = json.load(
            target.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
        )
        return document


def start(
    target: Target,
    source: str,
    output: str | None = None,
    *,
    features: FeatureSource = FeatureSource.AUTO,
) -> BatchExecution:
    """Start a batch.

    Args:
        source: Transactions as Parquet or CSV: a file or folder on this machine, which is uploaded;
            or an S3 prefix below `batch/` of the artifacts bucket or `transactions/` of the raw
            one. Of a simulated folder, its transactions.
        output: An empty S3 prefix below `batch/` of the artifacts bucket; if omitted, a new one.
        features: What features are computed from.

    Raises:
        OperationError: If there is no such input, the output may not be used or holds something, or
            no model is deployed.
    """
    name, bucket = uuid.uuid4().hex[:12], target.output(Output.ARTIFACTS_BUCKET)
    target_uri = f"s3://{bucket}/{_RESULTS}{name}" if output is None else output.rstrip("/")
    _check_output(target, target_uri)
    model = live_model(target)
    uri = _in_s3(target, source, name)
    parameters = {
        PipelineParameter.MODEL: model,
        PipelineParameter.INPUT: uri,
        PipelineParameter.OUTPUT: target_uri,
        PipelineParameter.FEATURE_SOURCE: features,
    }
    arn = target.client("sagemaker").start_pipeline_execution(
        PipelineName=target.output(Output.BATCH_PIPELINE),
        PipelineExecutionDisplayName=display_name("batch"),
        PipelineParameters=[{"Name": key, "Value": value} for key, value in parameters.items()],
    )["PipelineExecutionArn"]
    return BatchExecution(execution=arn, model=model, source=uri, output=target_uri)


def _split(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def _check_output(target: Target, uri: str) -> None:
    """Refuses here, at once, what the pipeline would refuse minutes later."""
    bucket, prefix = _split(uri)
    artifacts = target.output(Output.ARTIFACTS_BUCKET)
    allowed = bucket == artifacts and f"{prefix}/".startswith("batch/")
    if not uri.startswith("s3://") or not allowed or f"{prefix}/".startswith((_WORK, _INPUT)):
        raise OperationError(
            f"--output must be a prefix below s3://{artifacts}/batch/ other than {_WORK} and "
            f"{_INPUT}, got {uri!r}; omit it for a new one"
        )
    if _holds_something(target, bucket, f"{prefix}/"):
        raise OperationError(f"--output must be an empty prefix, got {uri}, which is not; omit it")


def _holds_something(target: Target, bucket: str, prefix: str) -> bool:
    s3 = target.client("s3")
    return bool(s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("Contents"))


def _in_s3(target: Target, source: str, name: str) -> str:
    if not source.startswith("s3://"):
        return _upload(target, Path(source), name)
    artifacts, raw = target.output(Output.ARTIFACTS_BUCKET), target.output(Output.RAW_BUCKET)
    bucket, key = _split(source)
    prefix = f"{key.rstrip('/')}/"
    inside = (bucket == artifacts and prefix.startswith("batch/")) or (
        bucket == raw and prefix.startswith(_RAW)
    )
    if not inside:
        raise OperationError(
            f"--input in S3 must be a prefix below s3://{artifacts}/batch/ or s3://{raw}/{_RAW}, "
            f"got {source!r}; copy it there, or give a file on this machine"
        )
    if not _holds_something(target, bucket, prefix):
        raise OperationError(f"--input must be a prefix that holds objects, got {source!r}")
    # With the slash: without it, SageMaker takes what only begins alike, too.
    return f"s3://{bucket}/{prefix}"


def _upload(target: Target, path: Path, name: str) -> str:
    """Copies a file, or the transactions of a folder, to a prefix of their own."""
    folder = path / "transactions" if (path / "transactions").is_dir() else path
    files = [folder] if folder.is_file() else input_files(folder)
    if not files or files[0].suffix.lower() not in (".parquet", ".csv"):
        raise OperationError(
            f"--input must be a .parquet or .csv file, a folder of them or an S3 prefix like "
            f"s3://bucket/path, got {str(path)!r}"
        )
    bucket, s3 = target.output(Output.ARTIFACTS_BUCKET), target.client("s3")
    root = folder.parent if folder.is_file() else folder
    for done, file in enumerate(files, start=1):
        key = f"{_INPUT}{name}/{file.relative_to(root).as_posix()}"
        s3.upload_file(str(file), bucket, key)
        progress.count("upload", done, len(files), "files")
    return f"s3://{bucket}/{_INPUT}{name}/"


def live_model(target: Target) -> str:
    """The model of the endpoint's production variant, whatever the endpoint runs on.

    Raises:
        OperationError: If no model is deployed.
    """
    sagemaker, name = target.client("sagemaker"), target.output(Output.ENDPOINT)
    try:
        config = sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"]
    except ClientError as error:
        if "Could not find" not in str(error):
            raise
        raise OperationError(
            f"endpoint {name} must be deployed, got none; approve a model first: `fraudloop train` "
            "registers one, `fraudloop approve` deploys it"
        ) from error
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    return str(variants[0]["ModelName"])
