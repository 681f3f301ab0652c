"""The feature job on Spark, as a processing job of the embedded AWS."""

import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline_code.features.definitions import ENTITIES, FEATURE_NAMES, feature_group_columns
from pipeline_code.features.store.updating import FeatureGroups
from tests.local_aws.sagemaker.conftest import ENDED, IMAGE, allow, unique
from tests.pipeline_code.features.test_sharded import lake, stream

PATTERN = f"{unique('states')}-{{entity}}"

PATIENCE_SECONDS = 240


@pytest.fixture
def start(
    client: Callable[[str], Any], bucket: str, make_role: Callable[..., str], tmp_path: Path
) -> Callable[..., dict[str, Any]]:
    """start(instances=1): the description of an ended feature job that read a small lake."""

    def run(instances: int = 1, **environment: str) -> dict[str, Any]:
        s3, prefix, name = client("s3"), unique("lake"), unique("features")
        lake(tmp_path / "lake", stream())
        for file in (tmp_path / "lake").rglob("*.parquet"):
            s3.upload_file(str(file), bucket, f"{prefix}/{file.relative_to(tmp_path / 'lake')}")
        role = make_role(
            allow(["s3:*"], f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"),
            allow(["sagemaker:BatchGetRecord", "sagemaker:BatchWriteRecord"], "*"),
            allow(["sagemaker:GetRecord", "sagemaker:PutRecord"], "*"),
        )
        sagemaker = client("sagemaker")
        sagemaker.create_processing_job(
            ProcessingJobName=name,
            RoleArn=role,
            AppSpecification={
                "ImageUri": f"{IMAGE}-spark",
                "ContainerEntrypoint": ["python", "-m", "pipeline_code", "features"],
                "ContainerArguments": [
                    "--engine",
                    "spark",
                    "--train-days",
                    "7",
                    "--test-days",
                    "7",
                ],
            },
            # As the pipeline says it: SageMaker tells a processing job no Region.
            Environment={"AWS_DEFAULT_REGION": "us-east-1", **environment},
            ProcessingInputs=[
                {
                    "InputName": data,
                    "S3Input": {
                        "S3Uri": f"s3://{bucket}/{prefix}/{data}/",
                        "LocalPath": f"/opt/ml/processing/input/{data}",
                        "S3DataType": "S3Prefix",
                        "S3InputMode": "File",
                    },
                }
                for data in ("transactions", "fraud_reports")
            ],
            ProcessingOutputConfig={
                "Outputs": [
                    {
                        "OutputName": output,
                        "S3Output": {
                            "S3Uri": f"s3://{bucket}/{name}/{output}",
                            "LocalPath": f"/opt/ml/processing/output/{output}",
                            "S3UploadMode": "EndOfJob",
                        },
                    }
                    for output in ("train", "test", "summary")
                ]
            },
            ProcessingResources={
                "ClusterConfig": {
                    "InstanceCount": instances,
                    "InstanceType": "ml.m5.large",
                    "VolumeSizeInGB": 10,
                }
            },
        )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            job: dict[str, Any] = sagemaker.describe_processing_job(ProcessingJobName=name)
            if job["ProcessingJobStatus"] in ENDED or time.monotonic() > deadline:
                return job
            time.sleep(0.2)

    return run


@pytest.fixture
def groups(client: Callable[[str], Any], make_role: Callable[..., str]) -> FeatureGroups:
    """Two feature groups."""
    groups = FeatureGroups.of_every_version(PATTERN)[-1]
    for entity in ENTITIES:
        client("sagemaker").create_feature_group(
            FeatureGroupName=groups.of(entity),
            RecordIdentifierFeatureName=entity.record_identifier,
            EventTimeFeatureName="event_time",
            FeatureDefinitions=[
                {"FeatureName": column, "FeatureType": kind}
                for column, kind in feature_group_columns(entity)
            ],
            OnlineStoreConfig={"EnableOnlineStore": True},
        )
    return groups


@pytest.mark.spark
def test_a_feature_job_runs_on_spark(
    client: Callable[[str], Any],
    bucket: str,
    start: Callable[..., dict[str, Any]],
    groups: FeatureGroups,
    tmp_path: Path,
) -> None:
    job = start(FEATURE_GROUP_PATTERN=PATTERN)
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    name, s3 = job["ProcessingJobName"], client("s3")
    summary = json.load(s3.get_object(Bucket=bucket, Key=f"{name}/summary/summary.json")["Body"])
    # Tasks put the states into the store; the driver counts what they did.
    rows = stream()
    assert summary["materialized"] == {
        "customers": len({row.customer for row in rows}),
        "terminals": len({row.terminal for row in rows}),
    }
    stored = client("sagemaker-featurestore-runtime").get_record(
        FeatureGroupName=groups.terminal,
        RecordIdentifierValueAsString=str(rows[0].terminal),
    )
    assert stored["Record"]
    for output in ("train", "test"):
        part = tmp_path / f"{output}.parquet"
        s3.download_file(bucket, f"{name}/{output}/part-00000.parquet", str(part))
        assert pq.read_metadata(part).num_rows == summary[output]["rows"] > 0
        assert set(pq.read_schema(part).names) >= {*FEATURE_NAMES, "is_fraud"}


@pytest.mark.spark
def test_two_hosts_are_one_spark_cluster(
    client: Callable[[str], Any], bucket: str, start: Callable[..., dict[str, Any]]
) -> None:
    job = start(instances=2)
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    name, s3 = job["ProcessingJobName"], client("s3")
    summary = json.load(s3.get_object(Bucket=bucket, Key=f"{name}/summary/summary.json")["Body"])
    for output in ("train", "test"):
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"{name}/{output}/")["Contents"]
        rows = 0
        for item in listed:
            body = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
            rows += pq.read_metadata(io.BytesIO(body)).num_rows
        assert rows == summary[output]["rows"] > 0
