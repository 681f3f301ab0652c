"""Scoring many feature rows at once with the approved model, by Batch Transform."""

import time
from pathlib import Path
from typing import Any

from operations.errors import OperationError
from operations.executions import describe, watch
from operations.target import Target


def transform(target: Target, source: str) -> dict[str, Any]:
    """Score CSV feature rows with the model behind the endpoint.

    Args:
        source: A CSV file on this machine, which is uploaded, or an S3 prefix below `batch/` of the
            artifacts bucket. One row of features a line, in the model's order, without a header.

    Returns:
        The execution's ARN, the input's S3 URI, and the S3 prefix that then holds one `.out` file
        for each input file: one score a line, in the order of the rows.

    Raises:
        OperationError: If there is no such file, no model is deployed, or the job fails.
    """
    model = _live_model(target)
    sagemaker = target.client("sagemaker")
    run = f"s3://{target.output('ArtifactsBucketName')}/batch/{int(time.time())}"
    uri, output = _in_s3(target, source, f"{run}/input"), f"{run}/output"
    parameters = {
        "ModelName": model,
        "InputDataUri": uri,
        "OutputDataUri": output,
    }
    arn = sagemaker.start_pipeline_execution(
        PipelineName=target.output("BatchPipelineName"),
        PipelineParameters=[{"Name": name, "Value": value} for name, value in parameters.items()],
    )["PipelineExecutionArn"]
    watch(target, arn)
    execution = describe(target, arn)
    if execution.status != "Succeeded":
        raise OperationError(f"batch scoring of {source} failed: {execution.explain()}")
    return {"execution": arn, "input": uri, "output": output}


def _in_s3(target: Target, source: str, folder: str) -> str:
    if source.startswith("s3://"):
        return source
    file = Path(source)
    if not file.is_file():
        raise OperationError(
            f"--batch must be a CSV file or an S3 prefix like s3://bucket/path, got {source!r}"
        )
    bucket, _, prefix = folder.removeprefix("s3://").partition("/")
    target.client("s3").upload_file(str(file), bucket, f"{prefix}/{file.name}")
    return folder


def _live_model(target: Target) -> str:
    sagemaker, name = target.client("sagemaker"), target.output("EndpointName")
    endpoints = sagemaker.list_endpoints(NameContains=name)["Endpoints"]
    if not any(endpoint["EndpointName"] == name for endpoint in endpoints):
        raise OperationError(f"endpoint {name} must be deployed, got none; approve a model first")
    config = sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"]
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    return str(variants[0]["ModelName"])
