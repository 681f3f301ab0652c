"""Walking back from a model package, on pipelines that the embedded SageMaker really executed."""

import hashlib
import io
import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from local_aws.server import EmbeddedAws
from operations.cli import app
from operations.console import wide
from operations.errors import OperationError
from operations.models.lineage import Lineage, lineage
from operations.models.lineage_tree import tree
from operations.models.verification import verify
from operations.target import PROJECT_ROOT, Target
from tests.local_aws.images import PULL
from tests.local_aws.sagemaker.conftest import IMAGE, allow, wait_for

ENTRIES = ["python", str(Path(__file__).with_name("lineage_jobs.py"))]
TUNED = PROJECT_ROOT / "tests" / "local_aws" / "sagemaker" / "stand_in_training"
CLUSTER = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
CACHED = {"CacheConfig": {"Enabled": True, "ExpireAfter": "P30D"}}
LIMIT = {"StoppingCondition": {"MaxRuntimeInSeconds": 60}}
EXECUTION_ID = {"Get": "Execution.PipelineExecutionId"}


class Loop:
    """A bucket with two objects of a lake, and pipelines that register models made of them."""

    def __init__(self, target_with: Callable[..., Target]) -> None:
        self.name = f"loop-{uuid.uuid4().hex[:8]}"
        self.target = target_with(
            ModelPackageGroupName=self.name,
            ApprovedModelParameterName=f"/{self.name}/approved",
            DeploymentStateParameterName=f"/{self.name}/state",
            EndpointName=self.name,
        )
        self.s3, self.sagemaker = self.target.client("s3"), self.target.client("sagemaker")
        self.s3.create_bucket(Bucket=self.name)
        versioning = {"Status": "Enabled"}
        self.s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration=versioning)
        self.sagemaker.create_model_package_group(ModelPackageGroupName=self.name)
        self.sources = [self._land(f"transactions/{n}.parquet", b"x" * n) for n in (1, 2, 3)]
        manifest = json.dumps({"bucket": self.name, "objects": self.sources})
        self.s3.put_object(Bucket=self.name, Key="manifest/sources.json", Body=manifest.encode())
        self.role = self._role()

    def _land(self, key: str, body: bytes) -> dict[str, Any]:
        put = self.s3.put_object(Bucket=self.name, Key=key, Body=body)
        etag = put["ETag"].strip('"')
        return {"key": key, "version_id": put["VersionId"], "etag": etag, "size": len(body)}

    def _role(self) -> str:
        iam = self.target.client("iam")
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sagemaker.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
        arn: str = iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=json.dumps(trust))[
            "Role"
        ]["Arn"]
        statements = [*PULL, allow(["s3:*", "sagemaker:*"], "*"), allow(["iam:PassRole"], arn)]
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_role_policy(RoleName=self.name, PolicyName="own", PolicyDocument=document)
        return arn

    def features(self, *, manifest: bool = True) -> dict[str, Any]:
        outputs = [
            {
                "OutputName": name,
                "S3Output": {
                    "S3Uri": joined("s3:/", self.name, "runs", EXECUTION_ID, name),
                    "LocalPath": f"/opt/ml/processing/output/{name}",
                    "S3UploadMode": "EndOfJob",
                },
            }
            for name in ("train", "summary")
        ]
        request: dict[str, Any] = {
            "RoleArn": self.role,
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ENTRIES,
                "ContainerArguments": ["features", "--train-days", "7", "--as-of", "latest"],
            },
            "ProcessingResources": {"ClusterConfig": CLUSTER},
            "ProcessingOutputConfig": {"Outputs": outputs},
        }
        if manifest:
            source = {
                "S3Uri": f"s3://{self.name}/manifest",
                "LocalPath": "/opt/ml/processing/input/manifest",
                "S3DataType": "S3Prefix",
                "S3InputMode": "File",
            }
            request["ProcessingInputs"] = [{"InputName": "manifest", "S3Input": source}]
        return {"Name": "Features", "Type": "Processing", "Arguments": request, **CACHED}

    def training(self) -> dict[str, Any]:
        request = {
            "RoleArn": self.role,
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": [*ENTRIES, "train"],
            },
            "HyperParameters": {"depth": "8"},
            **self._data(),
        }
        return {"Name": "Train", "Type": "Training", "Arguments": request, **CACHED}

    def tuning(self) -> dict[str, Any]:
        ranges = {"CategoricalParameterRanges": [{"Name": "kind", "Values": ["b", "a"]}]}
        request = {
            "HyperParameterTuningJobConfig": {
                "Strategy": "Grid",
                "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
                "ResourceLimits": {"MaxParallelTrainingJobs": 2},
                "ParameterRanges": ranges,
            },
            "TrainingJobDefinition": {
                "AlgorithmSpecification": {
                    "TrainingImage": IMAGE,
                    "TrainingInputMode": "File",
                    "MetricDefinitions": [{"Name": "score", "Regex": '"score": ([-0-9.eE+]+)'}],
                },
                "RoleArn": self.role,
                "Environment": {"PYTHONPATH": str(TUNED)},
                **self._data(),
            },
        }
        return {"Name": "Tune", "Type": "Tuning", "Arguments": request}

    def _data(self) -> dict[str, Any]:
        rows = {"Get": "Steps.Features.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri"}
        source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": rows}}
        return {
            "InputDataConfig": [{"ChannelName": "train", "DataSource": source}],
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.name}/models"},
            "ResourceConfig": CLUSTER,
            **LIMIT,
        }

    def registration(self, model: Any, **metadata: str) -> dict[str, Any]:
        request = {
            "ModelPackageGroupName": self.name,
            "InferenceSpecification": {
                "Containers": [{"Image": IMAGE, "ModelDataUrl": model}],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
            "MetadataProperties": {
                "CommitId": "v1-2-gabc",
                "GeneratedBy": {"Get": "Execution.PipelineExecutionArn"},
            },
            "CustomerMetadataProperties": {"average_precision": "0.7", **metadata},
        }
        return {"Name": "Register", "Type": "RegisterModel", "Arguments": request}

    def pipeline(self, *steps: dict[str, Any]) -> str:
        name = f"pipeline-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_pipeline(
            PipelineName=name,
            PipelineDefinition=json.dumps({"Version": "2020-12-01", "Steps": steps}),
            ClientRequestToken=uuid.uuid4().hex,
            RoleArn=self.role,
        )
        return name

    def execute(self, pipeline: str) -> str:
        arn: str = self.sagemaker.start_pipeline_execution(PipelineName=pipeline)[
            "PipelineExecutionArn"
        ]
        ended = wait_for(
            lambda: self.sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn),
            "PipelineExecutionStatus",
        )
        assert ended["PipelineExecutionStatus"] == "Succeeded", ended.get("FailureReason")
        return arn


def joined(*values: Any) -> dict[str, Any]:
    return {"Std:Join": {"On": "/", "Values": list(values)}}


TRAINED = {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}


@pytest.fixture(scope="module")
def loop(target_with: Callable[..., Target]) -> Loop:
    return Loop(target_with)


@pytest.fixture(scope="module")
def registered(loop: Loop) -> list[str]:
    """Two executions of one pipeline; the second took over the first one's jobs."""
    steps = [loop.features(), loop.training(), loop.registration(TRAINED)]
    pipeline = loop.pipeline(*steps)
    return [loop.execute(pipeline) for _ in range(2)]


def printed(found: Lineage, *, all_objects: bool = False) -> str:
    console = Console(width=400, record=True, file=io.StringIO())
    console.print(tree(found, all_objects=all_objects))
    return console.export_text()


def test_a_package_leads_to_its_jobs_and_objects(loop: Loop, registered: list[str]) -> None:
    found = lineage(loop.target, "1").as_dict()
    assert found["endpoint"] is None
    assert found["model_package"]["revision"] == "v1-2-gabc"
    assert found["pipeline_execution"]["arn"] == registered[0]
    assert [step["name"] for step in found["steps"]] == ["Features", "Train", "Register"]
    assert {step["ran_in"] for step in found["steps"]} == {registered[0]}
    training = found["training_job"]
    assert training["hyperparameters"] == {"depth": "8"}
    assert training["artifact"] == found["model_package"]["artifact"]
    assert found["feature_job"]["outputs"]["train"] == training["inputs"]["train"]
    assert found["feature_job"]["arguments"] == {"train-days": "7", "as-of": "latest"}
    sources = found["sources"]
    assert (sources["count"], sources["bytes"], sources["bucket"]) == (3, 6, loop.name)
    assert sources["objects"] == loop.sources


def test_a_cached_step_leads_to_the_execution_that_really_ran_it(
    loop: Loop, registered: list[str]
) -> None:
    first, second = (lineage(loop.target, version) for version in ("1", "latest"))
    assert second.execution is not None
    assert second.execution["arn"] == registered[1]
    ran_in = {step["name"]: step["ran_in"] for step in second.steps}
    assert ran_in == {
        "Features": registered[0],
        "Train": registered[0],
        "Register": registered[1],
    }
    assert (second.training_job, second.sources) == (first.training_job, first.sources)
    assert f"cached from pipeline/{registered[0].split(':pipeline/')[1]}" in printed(second)


def test_with_tuning_it_is_the_best_of_the_jobs(loop: Loop) -> None:
    best = {"Get": "Steps.Tune.BestTrainingJob.TrainingJobName"}
    model = joined("s3:/", loop.name, "models", best, "output/model.tar.gz")
    loop.execute(loop.pipeline(loop.features(), loop.tuning(), loop.registration(model)))
    found = lineage(loop.target, "latest")
    assert found.training_job is not None
    assert found.training_job["hyperparameters"]["kind"] == "a"
    assert found.training_job["artifact"] == found.package["artifact"]
    assert ":hyper-parameter-tuning-job/" in found.training_job["tuned_by"]
    assert found.sources is not None
    assert "best of  hyper-parameter-tuning-job/" in printed(found)


def test_the_tree_names_the_ends_or_all_of_the_objects(loop: Loop, registered: list[str]) -> None:
    found = lineage(loop.target, "1")
    assert registered[0].partition(":pipeline/")[2] in printed(found)
    assert registered[0] not in printed(found)
    token = wide.set(True)
    assert registered[0] in printed(found)
    wide.reset(token)
    keys = [source["key"] for source in loop.sources]
    for key, shown in zip(keys, (True, False, True), strict=True):
        assert (key in printed(found)) is shown
        assert key in printed(found, all_objects=True)


def test_what_is_there_and_the_same_is_verified(loop: Loop, registered: list[str]) -> None:
    found = described_with_hash(loop)
    assert verify(loop.target, found) == {"passed": True, "objects": 3, "problems": []}
    told = printed(found.with_verification(verify(loop.target, found)))
    assert "3 objects and the artifact are there, and the same" in told


def described_with_hash(loop: Loop) -> Lineage:
    """The first version, as if it had been registered with its archive's hash."""
    found = lineage(loop.target, "1")
    key = found.package["artifact"].removeprefix(f"s3://{loop.name}/")
    body = loop.s3.get_object(Bucket=loop.name, Key=key)["Body"].read()
    digest = {"model_sha256": hashlib.sha256(body).hexdigest()}
    return replace(found, package={**found.package, "metadata": digest})


def test_what_is_gone_or_changed_is_told(loop: Loop, registered: list[str]) -> None:
    found = described_with_hash(loop)
    gone, changed, same = loop.sources
    extra = {**gone, "key": "transactions/9.parquet"}
    other = {**changed, "etag": "0" * 32}
    sources = {"bucket": loop.name, "objects": [extra, other, same]}
    package = {**found.package, "metadata": {"model_sha256": "0" * 64}}
    told = verify(loop.target, replace(found, sources=sources, package=package))
    assert told["passed"] is False
    artifact, missing, altered = told["problems"]
    assert f"SHA-256 must be {'0' * 64}, got" in artifact
    assert f"transactions/9.parquet version {gone['version_id']}: 404" in missing
    assert f"must be 2 bytes with etag {'0' * 32}, got (2, '{changed['etag']}')" in altered


def test_what_was_not_recorded_is_a_problem_and_no_failure(loop: Loop) -> None:
    steps = [loop.features(manifest=False), loop.training(), loop.registration(TRAINED)]
    loop.execute(loop.pipeline(*steps))
    found = lineage(loop.target, "latest")
    assert found.sources is None
    assert "objects  not recorded" in printed(found)
    assert verify(loop.target, found)["problems"] == [
        "artifact: its SHA-256 was not recorded",
        "sources: which objects were read was not recorded",
    ]


def test_a_package_that_no_pipeline_registered_ends_with_itself(loop: Loop) -> None:
    specification = {
        "Containers": [{"Image": IMAGE, "ModelDataUrl": f"s3://{loop.name}/model.tar.gz"}],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }
    arn = loop.sagemaker.create_model_package(
        ModelPackageGroupName=loop.name, InferenceSpecification=specification
    )["ModelPackageArn"]
    found = lineage(loop.target, arn)
    assert (found.execution, found.training_job, found.steps) == (None, None, ())
    assert "registered by hand" in printed(found)


def test_an_endpoint_that_is_not_there_is_told(loop: Loop) -> None:
    with pytest.raises(OperationError, match="endpoint must exist, got none named 'nowhere'"):
        lineage(loop.target, "nowhere")
    with pytest.raises(OperationError, match=f"endpoint must exist, got none named '{loop.name}'"):
        lineage(loop.target)


@pytest.fixture
def verb(
    loop: Loop, embedded_aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """verb("models"): what typing it prints, and how it ends."""
    monkeypatch.setattr(Target, "outputs", loop.target.outputs)
    state = str(embedded_aws.state_dir)
    return lambda *words: CliRunner().invoke(app, [*words, "--state", state, "--json", "-"])


def test_what_cannot_be_verified_ends_in_an_error_after_the_tree(
    verb: Callable[..., Any], registered: list[str]
) -> None:
    done = verb("lineage", "1", "--verify")
    assert done.exit_code == 1
    assert "must be as recorded, got 1 problems; the first: artifact: its SHA-256" in done.stderr
    assert json.loads(done.stdout)["verification"]["objects"] == 3
    assert verb("lineage", "1").exit_code == 0


def test_versions_are_listed_newest_first(
    loop: Loop, verb: Callable[..., Any], registered: list[str]
) -> None:
    parameter = loop.target.output("ApprovedModelParameterName")
    arn = lineage(loop.target, "1").package["arn"]
    loop.target.client("ssm").put_parameter(
        Name=parameter, Value=arn, Type="String", Overwrite=True
    )
    state = loop.target.output("DeploymentStateParameterName")
    deployment = {"model_package": arn, "state": "InService"}
    for value in ("none", json.dumps(deployment | {"state": "Deploying"}), json.dumps(deployment)):
        loop.target.client("ssm").put_parameter(
            Name=state, Value=value, Type="String", Overwrite=True
        )
    found = json.loads(verb("models").stdout)["models"]
    assert [each["deployment"] for each in found if each["arn"] == arn] == [deployment]
    assert {each["deployment"] for each in found if each["arn"] != arn} == {None}
    assert [model["version"] for model in found] == list(range(len(found), 0, -1))
    assert [model["version"] for model in found if model["deployed"]] == [1]
    assert {model["revision"] for model in found[-2:]} == {"v1-2-gabc"}
    assert found[-1]["decided"] is None
    assert len(json.loads(verb("models", "--limit", "1").stdout)["models"]) == 1
