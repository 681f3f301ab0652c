"""Scoring feature rows in S3 with the approved model, by Batch Transform."""

import time
from typing import Any

from operations.errors import OperationError
from operations.executions import describe, watch
from operations.target import Target


def transform(target: Target, source: str) -> dict[str, Any]:
    """Score CSV feature rows under an S3 prefix with the model behind the endpoint.

    Returns:
        The execution's ARN and the S3 prefix that holds one `.out` file for each input file.

    Raises:
        OperationError: If the prefix is no S3 URI, no model is deployed, or the job fails.
    """
    if not source.startswith("s3://"):
        raise OperationError(f"--batch must be an S3 prefix like s3://bucket/path, got {source!r}")
    sagemaker = target.client("sagemaker")
    output = f"s3://{target.output('ArtifactsBucketName')}/batch/{int(time.time())}"
    parameters = {
        "ModelName": _live_model(target),
        "InputDataUri": source,
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
    return {"execution": arn, "output": output}


def _live_model(target: Target) -> str:
    sagemaker, name = target.client("sagemaker"), target.output("EndpointName")
    endpoints = sagemaker.list_endpoints(NameContains=name)["Endpoints"]
    if not any(endpoint["EndpointName"] == name for endpoint in endpoints):
        raise OperationError(f"endpoint {name} must be deployed, got none; approve a model first")
    config = sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"]
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    return str(variants[0]["ModelName"])
