"""Batch Transform against the live environment: the same model, the same scores."""

import csv
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from operations import batch
from operations.errors import OperationError
from pipeline_code.features.definitions import FEATURE_NAMES

pytestmark = pytest.mark.end_to_end


@pytest.fixture(scope="module")
def rows(played: Any) -> str:
    """Feature rows that the pipeline computed, as CSV."""
    s3, bucket = played.target.client("s3"), played.target.output("FeaturesBucketName")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="executions/")
    keys = [item["Key"] for page in pages for item in page["Contents"] if "/test/" in item["Key"]]
    body = s3.get_object(Bucket=bucket, Key=keys[0])["Body"].read()
    text = io.StringIO()
    for row in pq.read_table(pa.BufferReader(body)).slice(0, 300).to_pylist():
        csv.writer(text, lineterminator="\n").writerow([row[name] for name in FEATURE_NAMES])
    return text.getvalue()


def test_a_batch_gets_the_scores_of_the_endpoint(played: Any, rows: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(rows)
    answer = played.target.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=played.target.output("EndpointName"), ContentType="text/csv", Body=rows
    )
    result = batch.transform(played.target, str(file))
    bucket, _, prefix = result["output"].removeprefix("s3://").partition("/")
    stored = played.target.client("s3").get_object(Bucket=bucket, Key=f"{prefix}/rows.csv.out")
    scores = stored["Body"].read().decode().split()
    assert scores == answer["Body"].read().decode().split()
    assert len(scores) == 300


def test_a_file_that_is_not_there_is_named(played: Any, tmp_path: Path) -> None:
    with pytest.raises(OperationError, match=r"missing\.csv"):
        batch.transform(played.target, str(tmp_path / "missing.csv"))
