"""The jobs that a model package comes from, found by following what SageMaker stores of each.

Everything is read: Describe* and List* operations, and one object of the features bucket.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from operations.console import utc
from operations.errors import OperationError
from operations.target import Target

__all__ = ["OriginStep", "Origins", "arguments_of"]

SOURCES_FILE = "sources.json"
_MOST_EXECUTIONS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginStep:
    """One step of a pipeline execution.

    Attributes:
        kind: What did it, such as `ProcessingJob`; empty for a step that was not reached.
        job: ARN of what did it, or of what it made; empty if there is none.
        ran_in: ARN of the execution that it really ran in: with a cached result, an earlier one.
    """

    name: str
    kind: str
    status: str
    job: str
    ran_in: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


class Origins:
    """Walks back from a pipeline execution to the jobs and objects behind it."""

    def __init__(self, target: Target) -> None:
        self._sagemaker = target.client("sagemaker")
        self._s3 = target.client("s3")

    def execution(self, arn: str) -> dict[str, Any]:
        """A pipeline execution, with its parameters."""
        described = self._sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        pages = self._sagemaker.get_paginator("list_pipeline_parameters_for_execution").paginate(
            PipelineExecutionArn=arn
        )
        given = {item["Name"]: item["Value"] for p in pages for item in p["PipelineParameters"]}
        return {
            "arn": arn,
            "name": described.get("PipelineExecutionDisplayName", arn.rsplit("/", 1)[-1]),
            "status": described["PipelineExecutionStatus"],
            "started": utc(described["CreationTime"]),
            "parameters": given,
        }

    def steps(self, execution_arn: str) -> list[OriginStep]:
        """The steps of an execution, each with the job that did it, even if an earlier one ran it.

        Raises:
            OperationError: Results were taken over from each other in a circle.
        """
        return [self._resolved(item, execution_arn) for item in self._listed(execution_arn)]

    def _listed(self, execution_arn: str) -> Iterator[dict[str, Any]]:
        pages = self._sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
            PipelineExecutionArn=execution_arn, SortOrder="Ascending"
        )
        for page in pages:
            yield from page["PipelineExecutionSteps"]

    def _resolved(self, item: dict[str, Any], execution_arn: str) -> OriginStep:
        name, ran_in, evidence = item["StepName"], execution_arn, item.get("Metadata", {})
        for _ in range(_MOST_EXECUTIONS):
            source = _source_of(item)
            if not source or source == ran_in:
                return OriginStep(
                    name=name,
                    kind=next(iter(evidence), ""),
                    status=item.get("StepStatus", ""),
                    job=next((str(each["Arn"]) for each in evidence.values() if "Arn" in each), ""),
                    ran_in=ran_in,
                )
            ran_in = source
            item = next(each for each in self._listed(source) if each["StepName"] == name)
            evidence = item.get("Metadata", evidence)
        raise OperationError(
            f"step {name} of {execution_arn} must have run in one of {_MOST_EXECUTIONS} executions "
            "before, got only results that were taken over"
        )

    def training_job(self, steps: list[OriginStep]) -> dict[str, Any]:
        """The training job behind the steps' model: with tuning, the best of its jobs.

        Raises:
            OperationError: None of the steps is one.
        """
        for step in steps:
            if ":training-job/" in step.job:
                return self._described_training(step.job.rsplit("/", 1)[-1])
            if ":hyper-parameter-tuning-job/" in step.job:
                tuning = self._sagemaker.describe_hyper_parameter_tuning_job(
                    HyperParameterTuningJobName=step.job.rsplit("/", 1)[-1]
                )
                best = self._described_training(tuning["BestTrainingJob"]["TrainingJobName"])
                return {**best, "tuned_by": step.job}
        raise OperationError(
            "the pipeline execution must have a training or tuning job, got steps "
            f"{', '.join(step.name for step in steps)}"
        )

    def _described_training(self, name: str) -> dict[str, Any]:
        job = self._sagemaker.describe_training_job(TrainingJobName=name)
        return {
            "arn": job["TrainingJobArn"],
            "name": name,
            "status": job["TrainingJobStatus"],
            "started": utc(job.get("TrainingStartTime", job["CreationTime"])),
            "image": job["AlgorithmSpecification"]["TrainingImage"],
            "instance_type": job["ResourceConfig"].get("InstanceType"),
            "instance_count": job["ResourceConfig"].get("InstanceCount"),
            "hyperparameters": job.get("HyperParameters", {}),
            "metrics": {
                item["MetricName"]: item["Value"] for item in job.get("FinalMetricDataList", [])
            },
            "inputs": {
                channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"]
                for channel in job.get("InputDataConfig", [])
            },
            "artifact": job.get("ModelArtifacts", {}).get("S3ModelArtifacts"),
        }

    def feature_job(
        self, steps: list[OriginStep], inputs: Mapping[str, str]
    ) -> dict[str, Any] | None:
        """The processing job that wrote the training job's input; None if no step did."""
        for step in steps:
            if ":processing-job/" not in step.job:
                continue
            name = step.job.rsplit("/", 1)[-1]
            job = self._sagemaker.describe_processing_job(ProcessingJobName=name)
            outputs = {
                each["OutputName"]: each["S3Output"]["S3Uri"]
                for each in job.get("ProcessingOutputConfig", {}).get("Outputs", [])
                if "S3Output" in each
            }
            if not set(_folders(inputs)) & set(_folders(outputs)):
                continue
            cluster = job["ProcessingResources"]["ClusterConfig"]
            return {
                "arn": job["ProcessingJobArn"],
                "name": name,
                "step": step.name,
                "ran_in": step.ran_in,
                "image": job["AppSpecification"]["ImageUri"],
                "arguments": arguments_of(job),
                "instance_type": cluster["InstanceType"],
                "instance_count": cluster["InstanceCount"],
                "outputs": outputs,
            }
        return None

    def sources(self, feature_job: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """The objects that the feature job read; None if it did not record them."""
        summary = None if feature_job is None else feature_job["outputs"].get("summary")
        if summary is None:
            return None
        uri = f"{summary.rstrip('/')}/{SOURCES_FILE}"
        location = urlsplit(uri)
        try:
            found = self._s3.get_object(Bucket=location.netloc, Key=location.path.lstrip("/"))
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            return None
        document = json.loads(found["Body"].read())
        objects = document["objects"]
        return {
            "manifest": uri,
            "bucket": document["bucket"],
            "count": len(objects),
            "bytes": sum(each["size"] for each in objects),
            "objects": objects,
        }


def arguments_of(job: Mapping[str, Any]) -> dict[str, str]:
    """A processing job's arguments, by option."""
    words = job["AppSpecification"].get("ContainerArguments", [])
    return {
        word.removeprefix("--"): following
        for word, following in pairwise(words)
        if word.startswith("--")
    }


def _source_of(item: Mapping[str, Any]) -> str:
    """The execution whose result a step took over, from the cache or by selective execution."""
    for kind in ("CacheHitResult", "SelectiveExecutionResult"):
        if source := item.get(kind, {}).get("SourcePipelineExecutionArn"):
            return str(source)
    return ""


def _folders(uris: Mapping[str, str]) -> list[str]:
    return [uri.rstrip("/") for uri in uris.values()]
