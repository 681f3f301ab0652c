"""What `fraudloop batch` refuses at once, which the pipeline would refuse minutes later."""

import uuid
from collections.abc import Callable

import pytest

from operations.errors import OperationError
from operations.serving import batch
from operations.target import Target


@pytest.fixture(scope="module")
def target(target_with: Callable[..., Target]) -> Target:
    """An environment with a bucket, in which no model was approved yet."""
    bucket = f"artifacts-{uuid.uuid4().hex[:8]}"
    target = target_with(
        ArtifactsBucketName=bucket, RawBucketName="raw", EndpointName=f"endpoint-{bucket}"
    )
    target.client("s3").create_bucket(Bucket=bucket)
    target.client("s3").put_object(Bucket=bucket, Key="batch/used/summary.json", Body=b"{}")
    return target


@pytest.mark.parametrize(
    "output",
    [
        "s3://elsewhere/batch/x",
        "s3://{}",
        "s3://{}/models/x",
        "s3://{}/batches",
        "s3://{}/batch/executions/x",
        "s3://{}/batch/input",
        "results",
    ],
)
def test_outputs_that_nobody_may_write_are_refused(target: Target, output: str) -> None:
    uri = output.format(target.output("ArtifactsBucketName"))
    with pytest.raises(OperationError, match="--output must be a prefix below s3://artifacts"):
        batch.start(target, "rows.csv", uri)


@pytest.mark.parametrize("end", ["", "/"])
def test_an_output_that_holds_something_is_refused(target: Target, end: str) -> None:
    uri = f"s3://{target.output('ArtifactsBucketName')}/batch/used{end}"
    with pytest.raises(OperationError, match="--output must be an empty prefix"):
        batch.start(target, "rows.csv", uri)


def test_without_an_endpoint_there_is_no_model(target: Target) -> None:
    with pytest.raises(OperationError, match="must be deployed, got none; approve a model first"):
        batch.start(target, "rows.csv")
