"""Pipelines: their definitions. `executions` runs them."""

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from local_aws.sagemaker import arns, queries
from local_aws.sagemaker.containers import check_image
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import conflict, not_found, unsupported, validation
from local_aws.sagemaker.events import now
from local_aws.sagemaker.pipelines.definition import Definition, parse
from local_aws.sagemaker.pipelines.execution_records import DEFINITION, EXECUTION, RUNNING, STEP
from local_aws.sagemaker.store import Document

PIPELINE = "pipeline"
_IMAGES = ("ImageUri", "TrainingImage", "Image")
_KEPT = ("PipelineDisplayName", "PipelineDescription", "RoleArn", "ParallelismConfiguration")
_SUMMARY = (
    "PipelineArn",
    "PipelineName",
    "PipelineDisplayName",
    "PipelineDescription",
    "RoleArn",
    "CreationTime",
    "LastModifiedTime",
)


class Pipelines:
    """CreatePipeline and its family."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def create_pipeline(self, request: dict[str, Any]) -> dict[str, Any]:
        """Make a pipeline; its definition is checked as far as it can be before it runs."""
        name, at = request["PipelineName"], now()
        arn = self._context.arn(PIPELINE, name)
        text = self._definition(request)
        check_images(self._context, parse(text))
        document = {
            **{key: request[key] for key in _KEPT if key in request},
            "PipelineName": name,
            "PipelineDisplayName": request.get("PipelineDisplayName", name),
            "PipelineArn": arn,
            "PipelineDefinition": text,
            "PipelineStatus": "Active",
            "CreationTime": at,
            "LastModifiedTime": at,
            "CreatedBy": self._context.user,
            "LastModifiedBy": self._context.user,
            "Token": request.get("ClientRequestToken"),
        }
        if not self._store.add(PIPELINE, name, document):
            known = self._store.get(PIPELINE, name) or {}
            if document["Token"] is None or known.get("Token") != document["Token"]:
                raise validation(
                    "Pipeline names must be unique within an AWS account and region. Pipeline "
                    f"with name ({name}) already exists."
                )
        return {"PipelineArn": arn}

    def update_pipeline(self, request: dict[str, Any]) -> dict[str, Any]:
        """Change a pipeline; executions that run keep the definition they started with."""
        pipeline = find(self._context, request["PipelineName"])
        changes = {key: request[key] for key in _KEPT if key in request}
        if {"PipelineDefinition", "PipelineDefinitionS3Location"} & request.keys():
            changes["PipelineDefinition"] = self._definition(request)
            check_images(self._context, parse(changes["PipelineDefinition"]))
        changes |= {"LastModifiedTime": now(), "LastModifiedBy": self._context.user}
        self._store.update(
            PIPELINE, pipeline["PipelineName"], lambda document: document.update(changes)
        )
        return {"PipelineArn": pipeline["PipelineArn"]}

    def describe_pipeline(self, request: dict[str, Any]) -> dict[str, Any]:
        """All about a pipeline."""
        if "PipelineVersionId" in request:
            raise unsupported("PipelineVersionId", "the present definition is described")
        return find(self._context, request["PipelineName"])

    def list_pipelines(self, request: dict[str, Any]) -> dict[str, Any]:
        """Pipelines, newest first."""
        prefix = request.get("PipelineNamePrefix", "")
        chosen = queries.select(self._store.list(PIPELINE, prefix), request, name="PipelineName")
        return queries.page(
            chosen,
            request,
            "PipelineSummaries",
            lambda pipeline: {
                **{key: pipeline[key] for key in _SUMMARY if key in pipeline},
                "LastExecutionTime": pipeline.get("LastRunTime"),
            },
        )

    def delete_pipeline(self, request: dict[str, Any]) -> dict[str, Any]:
        """Remove a pipeline and the records of its executions."""
        pipeline = find(self._context, request["PipelineName"])
        name = pipeline["PipelineName"]
        executions = self._store.list(EXECUTION, f"{name}/")
        if any(item["PipelineExecutionStatus"] in RUNNING for item in executions):
            raise conflict(
                f"Pipeline '{name}' cannot be deleted while an execution runs; stop it first"
            )
        for item in executions:
            execution = arns.name_of(item["PipelineExecutionArn"])
            for step in self._store.list(STEP, f"{execution}/"):
                self._store.delete(STEP, f"{execution}/{step['StepName']}")
            self._store.delete(DEFINITION, execution)
            self._store.delete(EXECUTION, execution)
        self._store.delete(PIPELINE, name)
        return {"PipelineArn": pipeline["PipelineArn"]}

    def _definition(self, request: Mapping[str, Any]) -> str:
        location = request.get("PipelineDefinitionS3Location")
        if (location is None) == ("PipelineDefinition" not in request):
            raise validation(
                "PipelineDefinition or PipelineDefinitionS3Location must be given, and not both"
            )
        if location is None:
            return str(request["PipelineDefinition"])
        bucket, key = location["Bucket"], location["ObjectKey"]
        version = {"VersionId": location["VersionId"]} if "VersionId" in location else {}
        try:
            answer = self._context.admin_client("s3").get_object(Bucket=bucket, Key=key, **version)
        except ClientError as error:
            raise validation(
                f"PipelineDefinitionS3Location s3://{bucket}/{key} must be readable, got: {error}"
            ) from error
        if "SSEKMSKeyId" in answer:
            # Whose leave to decrypt it takes is not documented.
            raise unsupported(
                "a PipelineDefinitionS3Location under a KMS key", "use SSE-S3 or PipelineDefinition"
            )
        return str(answer["Body"].read().decode())


def check_images(context: Context, definition: Definition) -> None:
    """Refuse steps of images that cannot run here; AWS finds that out when they run.

    Raises:
        ServiceError: Naming the first image.
    """
    for step in definition.steps.values():
        for image in images_in(step.arguments):
            check_image(context, image)


def images_in(arguments: Any) -> Iterator[str]:
    """The images that a step's arguments name; not those that only an execution knows."""
    if isinstance(arguments, list):
        for item in arguments:
            yield from images_in(item)
    elif isinstance(arguments, Mapping):
        for name, value in arguments.items():
            if name in _IMAGES and isinstance(value, str):
                yield value
            else:
                yield from images_in(value)


def find(context: Context, name_or_arn: str) -> Document:
    """A pipeline by its name or ARN.

    Raises:
        ServiceError: If there is none.
    """
    name = arns.name_of(name_or_arn)
    document = context.store.get(PIPELINE, name)
    if document is None:
        raise not_found(PIPELINE, name)
    return document
