"""What an endpoint captures."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.sagemaker.serving import Serving, make_role, unique

from .conftest import Client


def test_requests_are_captured(client: Client, serving: Serving) -> None:
    capture = {
        "InitialSamplingPercentage": 100,  # and EnableCapture, which is the default
        "DestinationS3Uri": f"s3://{serving.bucket}/captures",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {
            "JsonContentTypes": ["application/json"],
            "CsvContentTypes": ["text/csv"],
        },
    }
    config = serving.config(serving.model("one"), DataCaptureConfig=capture)
    endpoint = serving.endpoint(config)
    serving.invoke(endpoint, b'{"a": 1}', ContentType="application/json", InferenceId="42")
    serving.invoke(endpoint, b"1,2\n", ContentType="text/csv; charset=utf-8")
    serving.invoke(endpoint, b"\xff", ContentType="application/octet-stream")
    with pytest.raises(ClientError):
        serving.invoke(endpoint, b"refuse")
    client("sagemaker").delete_endpoint(EndpointName=endpoint)  # writes what is waiting
    s3 = client("s3")
    prefix = f"captures/{endpoint}/AllTraffic/"
    deadline = time.monotonic() + 20
    lines: list[dict[str, Any]] = []
    while len(lines) < 3 and time.monotonic() < deadline:
        listed = s3.list_objects_v2(Bucket=serving.bucket, Prefix=prefix).get("Contents", [])
        lines = [
            json.loads(line)
            for item in listed
            for line in s3.get_object(Bucket=serving.bucket, Key=item["Key"])["Body"].iter_lines()
        ]
        time.sleep(0.1)
    sides = [
        (side["data"], side["encoding"])
        for line in lines
        for side in (line["captureData"]["endpointInput"],)
    ]
    assert sides == [('{"a": 1}', "JSON"), ("1,2\n", "CSV"), ("/w==", "BASE64")]
    assert lines[0]["eventMetadata"]["inferenceId"] == "42"
    assert lines[1]["captureData"]["endpointOutput"] == {
        "observedContentType": "text/csv",
        "mode": "OUTPUT",
        "data": "3\n",
        "encoding": "CSV",
    }
    assert lines[0]["eventVersion"] == "0"
    year = listed[0]["Key"].removeprefix(prefix)
    assert len(year.split("/")) == 5
    assert year.endswith(".jsonl")


def captured(client: Client, bucket: str, prefix: str) -> int:
    listed = client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    bodies = [client("s3").get_object(Bucket=bucket, Key=item["Key"])["Body"] for item in listed]
    return sum(len(body.read().splitlines()) for body in bodies)


def test_what_cannot_be_written_waits(client: Client, serving: Serving) -> None:
    """The bucket appears after the requests, as a policy that was forgotten might."""
    bucket = unique("late")
    role = make_role(client, {"Action": "s3:*", "Resource": "*"})
    late = Serving(client, serving.bucket, role)
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{bucket}/x",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    endpoint = late.endpoint(late.config(late.model(), DataCaptureConfig=capture))
    for _ in range(3):
        late.invoke(endpoint)
    time.sleep(2.5)  # one attempt, in vain
    client("s3").create_bucket(Bucket=bucket)
    deadline = time.monotonic() + 20
    while captured(client, bucket, "x/") < 3 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert captured(client, bucket, f"x/{endpoint}/AllTraffic/") == 3
    client("sagemaker").delete_endpoint(EndpointName=endpoint)


def test_a_sample_of_nothing_captures_nothing(client: Client, serving: Serving) -> None:
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 0,
        "DestinationS3Uri": f"s3://{serving.bucket}/none",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    endpoint = serving.endpoint(serving.config(serving.model(), DataCaptureConfig=capture))
    serving.invoke(endpoint)
    client("sagemaker").delete_endpoint(EndpointName=endpoint)
    while True:
        try:
            client("sagemaker").describe_endpoint(EndpointName=endpoint)
        except ClientError:
            break
        time.sleep(0.1)
    assert captured(client, serving.bucket, "none/") == 0
