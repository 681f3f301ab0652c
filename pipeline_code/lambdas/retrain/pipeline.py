"""The training pipeline: which executions it has, and one more."""

import hashlib
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import boto3
from botocore.exceptions import ClientError
from pipeline_code.contracts.pipelines import FINGERPRINTED_PREFIXES, PipelineParameter, fingerprint

from retrain.calls import CONFIG
from retrain.policy import ExecutionHistory
from retrain.state import RetrainingStart
from retrain.triggers import RetrainingRequest

__all__ = ["DISPLAY_NAME_PREFIX", "RefusedError", "TrainingPipeline", "data_version"]

DISPLAY_NAME_PREFIX = "retrain-"
RUNNING = ("Executing", "Stopping")
CLIENT_ERRORS = range(400, 500)


class RefusedError(Exception):
    """SageMaker refused a start: no execution came of it.

    Attributes:
        was_started: Whether it refused because the same token has started one before.
    """

    def __init__(self, error: ClientError) -> None:
        super().__init__(str(error))
        self.was_started = error.response["Error"]["Code"] == "ConflictException"


class TrainingPipeline:
    """One pipeline, and the raw data that it trains on.

    Needs: sagemaker:ListPipelineExecutions and StartPipelineExecution on the pipeline;
    s3:ListBucket on the bucket.
    """

    def __init__(self, name: str, raw_bucket: str) -> None:
        self._name, self._raw_bucket = name, raw_bucket

    # Most events are declined before either of these is asked.

    @cached_property
    def _sagemaker(self) -> Any:
        return boto3.client("sagemaker", config=CONFIG)

    @cached_property
    def _s3(self) -> Any:
        return boto3.client("s3", config=CONFIG)

    def look(self) -> ExecutionHistory:
        """What its executions tell.

        The newest hundred are enough: what runs or began within a cool-down is among them.
        """
        executions = self._sagemaker.list_pipeline_executions(
            PipelineName=self._name, SortBy="CreationTime", SortOrder="Descending", MaxResults=100
        )["PipelineExecutionSummaries"]
        ours = [
            each
            for each in executions
            if each.get("PipelineExecutionDisplayName", "").startswith(DISPLAY_NAME_PREFIX)
        ]
        running = (
            each["PipelineExecutionArn"]
            for each in executions
            if each["PipelineExecutionStatus"] in RUNNING
        )
        newest = max(ours, key=lambda each: each["StartTime"], default=None)
        return ExecutionHistory(
            running=next(running, None),
            newest=newest and newest["PipelineExecutionArn"],
            retrained=newest and newest["StartTime"],
            named={
                each["PipelineExecutionDisplayName"]: each["PipelineExecutionArn"] for each in ours
            },
        )

    def prepare(self, ask: RetrainingRequest, now: datetime) -> RetrainingStart:
        """The start that an event asks for, on the data that is there now.

        The execution's name tells of the event, so that it is found again if the response is lost.
        """
        event = hashlib.sha256(ask.event_id.encode()).hexdigest()[:12]
        return RetrainingStart(
            event_id=ask.event_id,
            trigger=ask.trigger,
            monitor=ask.monitor,
            at=now,
            name=f"{DISPLAY_NAME_PREFIX}{now.astimezone(UTC):%Y%m%dT%H%M%S}-{event}",
            reason=ask.reason,
            evidence=ask.evidence,
            data_version=data_version(self._s3, self._raw_bucket),
        )

    def start(self, start: RetrainingStart) -> str:
        """Start an execution and return its ARN; the same start again is the same execution.

        Raises:
            RefusedError: SageMaker refused it.
            ClientError: SageMaker failed; it may have started it.
            BotoCoreError: There was no response; SageMaker may have started it.
        """
        parameters = {
            PipelineParameter.TRIGGER_REASON: start.reason,
            PipelineParameter.TRIGGER_EVIDENCE: start.evidence,
            PipelineParameter.DATA_VERSION: start.data_version,
        }
        try:
            arn: str = self._sagemaker.start_pipeline_execution(
                PipelineName=self._name,
                PipelineExecutionDisplayName=start.name,
                PipelineExecutionDescription=f"{start.reason}; evidence: {start.evidence}",
                PipelineParameters=[{"Name": k, "Value": v} for k, v in parameters.items()],
                ClientRequestToken=self._token(start),
            )["PipelineExecutionArn"]
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in CLIENT_ERRORS:
                raise RefusedError(error) from error
            raise
        return arn

    def _token(self, start: RetrainingStart) -> str:
        return hashlib.sha256(f"{self._name} {start.event_id}".encode()).hexdigest()


def data_version(s3: Any, bucket: str) -> str:
    """The fingerprint of the raw data: it changes when an object does, comes or goes."""
    pages = s3.get_paginator("list_objects_v2")
    return fingerprint(
        (item["Key"], item["ETag"])
        for prefix in FINGERPRINTED_PREFIXES
        for page in pages.paginate(Bucket=bucket, Prefix=prefix)
        for item in page.get("Contents", [])
    )
