"""Transform jobs, started by a real client; the stand-in answers each CSV line with its length."""

import gzip
import io
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from tests.local_aws.sagemaker.serving import Serving, unique

Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def serving(client: Client) -> Serving:
    serving = Serving.make(client)
    files = {"a.csv": b"1\n22\n333", "more/b.csv": b"4444\n"}
    for name, body in files.items():
        client("s3").put_object(Bucket=serving.bucket, Key=f"in/{name}", Body=body)
    packed = gzip.compress(b"55555\n")
    client("s3").put_object(Bucket=serving.bucket, Key="packed/c.csv.gz", Body=packed)
    client("s3").put_object(Bucket=serving.bucket, Key="refused/d.csv", Body=b"refuse me")
    return serving


def transform(client: Client, serving: Serving, name: str, source: str) -> dict[str, Any]:
    """A CreateTransformJob request."""
    return {
        "TransformJobName": name,
        "ModelName": serving.model(),
        "TransformInput": {
            "ContentType": "text/csv",
            "SplitType": "Line",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": f"s3://{serving.bucket}/{source}",
                }
            },
        },
        "TransformOutput": {
            "S3OutputPath": f"s3://{serving.bucket}/out/{name}",
            "Accept": "text/csv",
            "AssembleWith": "Line",
        },
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }


def start(client: Client, serving: Serving, source: str, **settings: Any) -> str:
    name = unique("transform")
    request = transform(client, serving, name, source)
    for key, value in settings.items():
        request[key] = {**request[key], **value} if isinstance(request.get(key), dict) else value
    client("sagemaker").create_transform_job(**request)
    return name


def finished(client: Client, name: str) -> dict[str, Any]:
    while True:
        job: dict[str, Any] = client("sagemaker").describe_transform_job(TransformJobName=name)
        if job["TransformJobStatus"] not in {"InProgress", "Stopping"}:
            return job
        time.sleep(0.1)


def outputs(client: Client, serving: Serving, name: str) -> dict[str, bytes]:
    prefix = f"out/{name}/"
    listed = client("s3").list_objects_v2(Bucket=serving.bucket, Prefix=prefix)
    return {
        item["Key"].removeprefix(prefix): client("s3")
        .get_object(Bucket=serving.bucket, Key=item["Key"])["Body"]
        .read()
        for item in listed.get("Contents", [])
    }


@pytest.mark.parametrize("strategy", ["MultiRecord", "SingleRecord"])
def test_every_record_is_answered_in_order(client: Client, serving: Serving, strategy: str) -> None:
    name = start(client, serving, "in/", BatchStrategy=strategy, MaxConcurrentTransforms=2)
    job = finished(client, name)
    assert job["TransformJobStatus"] == "Completed", job
    assert outputs(client, serving, name) == {
        "a.csv.out": b"1\n2\n3\n",
        "more/b.csv.out": b"4\n",
    }


def test_records_are_joined_with_their_answers(client: Client, serving: Serving) -> None:
    name = start(client, serving, "in/a.csv", DataProcessing={"JoinSource": "Input"})
    assert finished(client, name)["TransformJobStatus"] == "Completed"
    assert outputs(client, serving, name) == {"a.csv.out": b"1,1\n22,2\n333,3\n"}


def test_a_file_that_is_not_split_is_sent_and_kept_byte_by_byte(
    client: Client, serving: Serving
) -> None:
    table = io.BytesIO()
    pq.write_table(pa.table({"transaction_id": ["a", "b"], "amount": [1.0, 2.0]}), table)
    client("s3").put_object(Bucket=serving.bucket, Key="rows/d.parquet", Body=table.getvalue())
    kind = "application/x-parquet"
    name = unique("transform")
    request = transform(client, serving, name, "rows/")
    request["TransformInput"] |= {"ContentType": kind, "SplitType": "None"}
    request["TransformOutput"] |= {"Accept": kind, "AssembleWith": "None"}
    client("sagemaker").create_transform_job(**request)
    assert finished(client, name)["TransformJobStatus"] == "Completed"
    (answer,) = outputs(client, serving, name).values()
    assert answer == table.getvalue()


def test_packed_files_are_unpacked(client: Client, serving: Serving) -> None:
    name = start(client, serving, "packed", TransformInput={"CompressionType": "Gzip"})
    assert finished(client, name)["TransformJobStatus"] == "Completed"
    assert outputs(client, serving, name) == {"c.csv.gz.out": b"5\n"}


def test_a_refused_record_fails_the_job(client: Client, serving: Serving) -> None:
    job = finished(client, start(client, serving, "refused"))
    assert job["TransformJobStatus"] == "Failed"
    assert "status 400" in job["FailureReason"]


def test_no_input_fails_the_job(client: Client, serving: Serving) -> None:
    job = finished(client, start(client, serving, "nothing/"))
    assert "No S3 objects" in job["FailureReason"]


def test_a_job_is_stopped(client: Client, serving: Serving) -> None:
    client("s3").put_object(Bucket=serving.bucket, Key="slow/e.csv", Body=b"sleep 0.1\n" * 1000)
    name = start(client, serving, "slow", BatchStrategy="SingleRecord")
    client("sagemaker").stop_transform_job(TransformJobName=name)
    assert finished(client, name)["TransformJobStatus"] == "Stopped"
    assert outputs(client, serving, name) == {}


@pytest.mark.parametrize(
    "settings",
    [
        {"DataProcessing": {"InputFilter": "$[1:]"}},
        {"DataProcessing": {"JoinSource": "Input"}, "TransformOutput": {"Accept": "x/y"}},
        {"TransformResources": {"InstanceCount": 2}},
        {"TransformInput": {"SplitType": "RecordIO"}},
    ],
)
def test_what_is_not_supported_is_refused(
    client: Client, serving: Serving, settings: dict[str, Any]
) -> None:
    with pytest.raises(ClientError):
        start(client, serving, "in/", **settings)
