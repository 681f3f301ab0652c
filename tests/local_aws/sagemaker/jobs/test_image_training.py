"""The image's own `train` as jobs: interrupted, on two hosts, and tuned.

What else can end a job is played by its stand-in (test_spot.py), and to the trainer alone
(tests/pipeline_code/train: test_killed.py; test_hosts.py for hosts that all have all rows).
"""

import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_code.features.definitions import SCHEMA_VERSION
from tests.local_aws.sagemaker.conftest import IMAGE, fetch, unique, wait_for
from tests.local_aws.sagemaker.jobs.test_spot import members
from tests.pipeline_code.train.conftest import make_rows

OBJECTIVE = "validation:average_precision"
PARAMETERS = {"rounds": "60", "validation_days": "1", "checkpoint_seconds": "0"}


@pytest.fixture(scope="module")
def rows_uri(client: Callable[[str], Any], bucket: str) -> str:
    """Feature rows of a few days, in four files, of which one has the last day."""
    prefix = unique("rows")
    table = pa.table(make_rows(6000)).replace_schema_metadata(
        {b"feature_schema_version": SCHEMA_VERSION}
    )
    for part in range(4):
        body = io.BytesIO()
        pq.write_table(table.slice(part * 1500, 1500), body)
        client("s3").put_object(
            Bucket=bucket, Key=f"{prefix}/part-{part}.parquet", Body=body.getvalue()
        )
    return f"s3://{bucket}/{prefix}/"


@pytest.fixture
def definition(bucket: str, job_role: str, rows_uri: str) -> Callable[..., dict[str, Any]]:
    """definition(instances=1, ...): what training and tuning jobs have in common."""

    def make(instances: int = 1, distribution: str = "FullyReplicated") -> dict[str, Any]:
        source = {
            "S3DataType": "S3Prefix",
            "S3Uri": rows_uri,
            "S3DataDistributionType": distribution,
        }
        return {
            "RoleArn": job_role,
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": [
                    {"Name": OBJECTIVE, "Regex": f'"{OBJECTIVE}": ([0-9.eE+-]+)'}
                ],
            },
            "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
            "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/models"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": instances,
                "VolumeSizeInGB": 10,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 300},
        }

    return make


@pytest.fixture
def start(client: Callable[[str], Any]) -> Callable[..., str]:
    """start(definition, **changes): the name of a new training job."""

    def run(definition: dict[str, Any], **changes: Any) -> str:
        name = unique("training")
        client("sagemaker").create_training_job(
            **{
                "TrainingJobName": name,
                "HyperParameters": PARAMETERS,
                **definition,
                **changes,
            }
        )
        return name

    return run


@pytest.fixture
def model(client: Callable[[str], Any]) -> Callable[[str], bytes]:
    """model(name): the archive of a training job, once it has completed."""
    describe = client("sagemaker").describe_training_job

    def archive(name: str) -> bytes:
        job = wait_for(lambda: describe(TrainingJobName=name), "TrainingJobStatus")
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
        assert [metric["MetricName"] for metric in job["FinalMetricDataList"]] == [OBJECTIVE]
        return fetch(client, job["ModelArtifacts"]["S3ModelArtifacts"])

    return archive


def test_an_interruption_does_not_change_the_model(
    client: Callable[[str], Any],
    bucket: str,
    definition: Any,
    start: Any,
    model: Any,
    process: Any,
    eventually: Any,
) -> None:
    spot = {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 300, "MaxWaitTimeInSeconds": 600},
    }
    parameters = PARAMETERS | {"rounds": "120"}
    prefix = unique("checkpoints")
    interrupted = start(
        definition(),
        HyperParameters=parameters,
        CheckpointConfig={"S3Uri": f"s3://{bucket}/{prefix}/"},
        **spot,
    )
    listed = client("s3").list_objects_v2
    eventually(lambda: listed(Bucket=bucket, Prefix=f"{prefix}/").get("Contents"))
    process(interrupted).terminate()
    whole = start(definition(), HyperParameters=parameters)
    assert model(interrupted) == model(whole)
    job = client("sagemaker").describe_training_job(TrainingJobName=interrupted)
    assert "Interrupted" in [item["Status"] for item in job["SecondaryStatusTransitions"]]


def test_two_hosts_with_half_of_the_rows_each_learn_one_model(
    definition: Any, start: Any, model: Any
) -> None:
    name = start(definition(2, "ShardedByS3Key"))
    files = members(model(name))
    metadata = json.loads(files["metadata.json"])
    assert metadata["train_rows"] == 6000
    assert metadata["validation"]["average_precision"] > 0.5


def test_a_tuning_job_finds_the_best_depth(
    client: Callable[[str], Any], definition: Any, model: Any
) -> None:
    sagemaker, name = client("sagemaker"), unique("tuning")
    depth = {"Name": "max_depth", "Values": ["1", "5"]}
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig={
            "Strategy": "Grid",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": OBJECTIVE},
            "ResourceLimits": {"MaxParallelTrainingJobs": 2},
            "ParameterRanges": {"CategoricalParameterRanges": [depth]},
            "TrainingJobEarlyStoppingType": "Auto",
        },
        TrainingJobDefinition={**definition(), "StaticHyperParameters": PARAMETERS},
    )
    job = wait_for(
        lambda: sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name),
        "HyperParameterTuningJobStatus",
    )
    assert job["HyperParameterTuningJobStatus"] == "Completed", job.get("FailureReason")
    best = job["BestTrainingJob"]
    assert best["TunedHyperParameters"] == {"max_depth": "5"}
    metadata = json.loads(members(model(best["TrainingJobName"]))["metadata.json"])
    objective = best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    assert metadata["validation"]["average_precision"] == pytest.approx(objective, abs=1e-6)
