"""Transform jobs, started by a real client; the stand-in answers each CSV line with its length."""

import gzip
import io
import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from tests.local_aws.sagemaker.serving import Serving, make_role, unique

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


def test_no_input_is_no_job(client: Client, serving: Serving) -> None:
    with pytest.raises(ClientError, match="No S3 objects found under S3 URL"):
        start(client, serving, "nothing/")


def test_a_role_that_may_not_make_log_groups_has_no_log_and_its_job_goes_on(
    client: Client, serving: Serving
) -> None:
    group = "/aws/sagemaker/TransformJobs"
    with suppress(ClientError):
        client("logs").create_log_group(logGroupName=group)
    logging = {
        "Action": ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
        "Resource": f"arn:aws:logs:*:*:log-group:{group}:*",
    }
    bucket = f"arn:aws:s3:::{serving.bucket}"
    reading = {"Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"{bucket}/*"}
    role = make_role(client, reading, logging, {"Action": "s3:ListBucket", "Resource": bucket})
    silent = Serving(client, serving.bucket, role)
    names = [start(client, each, "in") for each in (silent, serving)]
    assert [finished(client, name)["TransformJobStatus"] for name in names] == ["Completed"] * 2
    found = client("logs").describe_log_streams(logGroupName=group)
    streams = [stream["logStreamName"] for stream in found["logStreams"]]
    (logged,) = [stream for stream in streams if stream.partition("/")[0] in names]
    assert re.fullmatch(rf"{names[1]}/\w+-\d+", logged)


def test_a_job_is_stopped(client: Client, serving: Serving) -> None:
    client("s3").put_object(Bucket=serving.bucket, Key="slow/e.csv", Body=b"sleep 0.1\n" * 1000)
    name = start(client, serving, "slow", BatchStrategy="SingleRecord")
    client("sagemaker").stop_transform_job(TransformJobName=name)
    assert finished(client, name)["TransformJobStatus"] == "Stopped"
    assert outputs(client, serving, name) == {}


FILTERED = {"DataProcessing": {"InputFilter": "$[1:]"}}
LINES = {"ContentType": "application/jsonlines", "SplitType": "Line"}


def test_filters_choose_columns_before_and_after(client: Client, serving: Serving) -> None:
    body = b'"id, 1",abc,5\nid2,de,6\n'
    client("s3").put_object(Bucket=serving.bucket, Key="filtered/f.csv", Body=body)
    processing = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}
    name = start(client, serving, "filtered/", DataProcessing=processing)
    assert finished(client, name)["TransformJobStatus"] == "Completed"
    # The model saw `abc,5` and `de,6`.
    assert outputs(client, serving, name) == {"f.csv.out": b'"id, 1",5\nid2,4\n'}


def test_json_lines_are_joined_under_names(client: Client, serving: Serving) -> None:
    rows = [{"id": 1, "x": {"a": 1, "b": 2}}, {"id": 2, "x": {"a": 3}}]
    body = "".join(json.dumps(row) + "\n" for row in rows).encode()
    client("s3").put_object(Bucket=serving.bucket, Key="lines/f.jsonl", Body=body)
    processing = {
        "InputFilter": "$.x",
        "JoinSource": "Input",
        "OutputFilter": "$['id','SageMakerOutput']",
    }
    request = {
        "TransformInput": LINES,
        "TransformOutput": {"Accept": "application/jsonlines"},
        "DataProcessing": processing,
    }
    name = start(client, serving, "lines/", **request)
    assert finished(client, name)["TransformJobStatus"] == "Completed"
    (answer,) = outputs(client, serving, name).values()
    assert [json.loads(line) for line in answer.splitlines()] == [
        {"id": 1, "SageMakerOutput": {"score": 2}},
        {"id": 2, "SageMakerOutput": {"score": 1}},
    ]


def put_files(client: Client, serving: Serving, prefix: str, *bodies: bytes) -> None:
    for number, body in enumerate(bodies):
        key = f"{prefix}/{number}.txt"
        client("s3").put_object(Bucket=serving.bucket, Key=key, Body=body)


def test_a_file_that_fails_has_no_output_and_the_others_have(
    client: Client, serving: Serving
) -> None:
    put_files(client, serving, "mixed", b"1\n22\n", b"ok\nrefuse\n", b"333\n")
    job = finished(client, start(client, serving, "mixed/", BatchStrategy="SingleRecord"))
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("1.txt: ClientError: the model answered with status 400")
    name = job["TransformJobName"]
    assert outputs(client, serving, name) == {"0.txt.out": b"1\n2\n", "2.txt.out": b"3\n"}


def test_files_are_shared_out_among_instances(client: Client, serving: Serving) -> None:
    put_files(client, serving, "shared", b"a", b"b", b"c", b"d")
    settings = {
        "TransformInput": {"ContentType": "text/plain", "SplitType": "None"},
        "TransformOutput": {"Accept": "application/json"},
        "TransformResources": {"InstanceCount": 2},
    }
    name = start(client, serving, "shared/", **settings)
    assert finished(client, name)["TransformJobStatus"] == "Completed"
    answers = outputs(client, serving, name)
    ports = [json.loads(answers[f"{number}.txt.out"])["port"] for number in range(4)]
    assert len(set(ports)) == 2
    assert ports[:2] == ports[2:]


@pytest.mark.parametrize("split", ["Line", "None"])
def test_transforms_run_at_once(client: Client, serving: Serving, split: str) -> None:
    """Each request waits in the model for another one."""
    bodies = [b"meet\nmeet\n"] if split == "Line" else [b"meet", b"meet"]
    put_files(client, serving, f"at-once-{split}", *bodies)
    source = {"ContentType": "text/plain", "SplitType": split}
    name = start(
        client,
        serving,
        f"at-once-{split}/",
        BatchStrategy="SingleRecord",
        MaxConcurrentTransforms=2,
        TransformInput=source,
    )
    assert finished(client, name)["TransformJobStatus"] == "Completed"


def test_a_job_captures_what_it_read_and_wrote(client: Client, serving: Serving) -> None:
    config = {"DestinationS3Uri": f"s3://{serving.bucket}/captured", "GenerateInferenceId": True}
    name = start(client, serving, "in/", DataCaptureConfig=config)
    job = finished(client, name)
    assert job["TransformJobStatus"] == "Completed", job
    hour = f"{job['TransformStartTime'].astimezone(UTC):%Y/%m/%d/%H}"
    manifests = {}
    for side in ("input", "output"):
        prefix = f"captured/{side}/{hour}/"
        (listed,) = client("s3").list_objects_v2(Bucket=serving.bucket, Prefix=prefix)["Contents"]
        body = client("s3").get_object(Bucket=serving.bucket, Key=listed["Key"])["Body"].read()
        manifests[side] = json.loads(body)
    out = f"s3://{serving.bucket}/out/{name}/"
    assert manifests == {
        "input": [{"prefix": f"s3://{serving.bucket}/in/"}, "a.csv", "more/b.csv"],
        "output": [{"prefix": out}, "a.csv.out", "more/b.csv.out"],
    }
    rows = [line.split(b",") for line in outputs(client, serving, name)["a.csv.out"].splitlines()]
    assert [row[0] for row in rows] == [b"1", b"2", b"3"]
    assert len({row[1] for row in rows}) == 3
    assert all(len(row) == 3 for row in rows)


def test_a_file_larger_than_a_request_may_be_fails(client: Client, serving: Serving) -> None:
    put_files(client, serving, "large", b"x" * (1024 * 1024 + 1))
    source = {"ContentType": "text/plain", "SplitType": "None"}
    job = finished(
        client, start(client, serving, "large/", TransformInput=source, MaxPayloadInMB=1)
    )
    assert "must be at most MaxPayloadInMB (1048576 bytes), got 1048577" in job["FailureReason"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({**FILTERED, "TransformInput": {"SplitType": "None"}}, "SplitType must be Line"),
        ({**FILTERED, "TransformInput": {"ContentType": "x/y"}}, "for x/y"),
        ({"DataProcessing": {"InputFilter": "$..a"}}, "must be a JSONPath"),
        (
            {"DataProcessing": {"JoinSource": "Input"}, "TransformOutput": {"Accept": "x/y"}},
            "Accept must be text/csv",
        ),
        ({"TransformInput": {"SplitType": "RecordIO"}}, "SplitType must be None or Line"),
        ({"MaxPayloadInMB": 60, "MaxConcurrentTransforms": 2}, "at most 100 MB"),
    ],
)
def test_what_is_not_supported_is_refused(
    client: Client, serving: Serving, settings: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ClientError, match=reason):
        start(client, serving, "in/", **settings)
