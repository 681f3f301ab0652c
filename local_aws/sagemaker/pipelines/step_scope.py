"""The scope of a step's expressions while its execution runs."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from local_aws.sagemaker import data
from local_aws.sagemaker.pipelines import expressions
from local_aws.sagemaker.pipelines.definition import Definition
from local_aws.sagemaker.pipelines.execution_records import ExecutionRecord


class StepScope:
    """An `expressions.Scope` over an execution's parameters, variables and finished steps.

    Args:
        execution: The execution's document.
        record: The execution.
        definition: Its definition.
        s3: Client that reads property files, as the pipeline's role.
        job_name: The name that the step's own job would have.
    """

    def __init__(
        self,
        execution: Mapping[str, Any],
        record: ExecutionRecord,
        definition: Definition,
        s3: Any,
        job_name: str,
    ) -> None:
        self._execution = execution
        self._record = record
        self._definition = definition
        self._s3 = s3
        started = datetime.fromtimestamp(execution["CreationTime"], UTC)
        self._variables = {
            "StartDateTime": started.isoformat(timespec="milliseconds"),
            "CurrentDateTime": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "PipelineName": execution["PipelineName"],
            "PipelineArn": execution["PipelineArn"],
            "PipelineExecutionId": record.id,
            "PipelineExecutionArn": record.arn,
            "TrainingJobName": job_name,
            "ProcessingJobName": job_name,
        }

    def parameter(self, name: str) -> Any:
        """The value of a pipeline parameter."""
        return self._execution["Parameters"][name]

    def variable(self, name: str) -> str:
        """The value of an execution variable."""
        return str(self._variables[name])

    def properties(self, step: str) -> Mapping[str, Any]:
        """What describes a step that has ended."""
        document = self._record.step(step) or {}
        properties: Mapping[str, Any] = document.get("Properties", {})
        return properties

    def property_file(self, step: str, name: str) -> Any:
        """The content of a step's property file."""
        output, path = self._definition.steps[step].property_files[name]
        try:
            uri = expressions.look_up(
                self.properties(step), f"ProcessingOutputConfig.Outputs['{output}'].S3Output.S3Uri"
            )
        except KeyError as error:
            raise expressions.ExpressionError(
                f"property file '{name}' of step '{step}' cannot be found; the step has no output "
                f"'{output}'"
            ) from error
        return self.json_object(f"{uri.rstrip('/')}/{path}")

    def json_object(self, uri: str) -> Any:
        """The content of a JSON object in S3."""
        bucket, key = data.split(uri)
        try:
            return json.loads(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except (ClientError, ValueError) as error:
            raise expressions.ExpressionError(f"{uri} cannot be read as JSON; {error}") from error
