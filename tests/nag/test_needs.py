"""What an environment needs of its account, against what its configuration says."""

import json
from pathlib import Path

import pytest

from app import build_app
from operations.deployment.assembly import stacks
from operations.deployment.job_needs import TUNING, JobUse, pipeline_jobs
from operations.deployment.needs import Need, needs
from stacks.environments import ENVIRONMENTS

from .conftest import Synthesized
from .variants import VARIANTS


def amounts(found: list[Need]) -> dict[str, float]:
    named = {need.quota: need.amount for need in found}
    assert len(named) == len(found), "a quota is needed once"
    return named


def of_environment(folder: Path) -> dict[str, float]:
    return amounts(needs(stacks(folder)))


def test_an_update_has_two_of_the_largest_fleet_and_the_shadow(
    synthesized: Synthesized, environment: str
) -> None:
    found = of_environment(synthesized.folder / environment)
    config = ENVIRONMENTS[environment].endpoint
    shadow = 0 if config.shadow is None else config.shadow.instance_count
    most = 2 * config.scaling.max_instances + shadow
    assert found[f"{config.instance_type} for endpoint usage"] == most
    assert found["Number of instances across active endpoints"] == most


def test_every_monitor_may_run_at_the_same_time(synthesized: Synthesized, environment: str) -> None:
    found = of_environment(synthesized.folder / environment)
    config = ENVIRONMENTS[environment].monitoring
    # Four kinds and the labels, on schedules of SageMaker's or pipelines of their own.
    assert found[f"{config.instance_type} for processing job usage"] == 5
    assert ("Total Monitoring Schedules" in found) is (config.engine == "model_monitor")


def test_needs_are_of_what_is_there(synthesized: Synthesized, environment: str) -> None:
    found = of_environment(synthesized.folder / environment)
    shards = ENVIRONMENTS[environment].stream.shards
    types = [
        resource["Type"]
        for template in synthesized.templates(environment).values()
        for resource in template["Resources"].values()
    ]
    assert found["Number of rules"] == types.count("AWS::Events::Rule")
    assert found["Delivery streams"] == types.count("AWS::KinesisFirehose::DeliveryStream")
    assert found.get("Shards per Region") == (None if shards is None else 2 * shards)
    assert found.get("On-demand Data Streams per account") == (2 if shards is None else None)
    # A batch of each shard of both streams, and each other function once.
    batches = 2 * (4 if shards is None else shards)
    functions = types.count("AWS::Lambda::Function") - 2
    assert found["Concurrent executions"] == batches + functions
    reads = ENVIRONMENTS[environment].feature_store.reads
    most = reads.folding(batches // 2) + reads.materializing
    assert found["BatchGetRecord transactions per second"] == most
    assert most <= reads.quota * reads.background_percent // 100
    endpoint = ENVIRONMENTS[environment].endpoint
    load = endpoint.scaling.max_instances * (endpoint.scaling.invocations_per_minute or 0) / 60
    asked = load if endpoint.shadow is None else load * (1 + endpoint.shadow.percent / 100)
    assert found["GetRecord transactions per second"] == 2 * asked


def test_a_floor_of_the_day_and_a_larger_challenger_count(tmp_path: Path) -> None:
    build_app(VARIANTS["linear"], outdir=str(tmp_path / "linear")).synth()
    found = of_environment(tmp_path / "linear")
    assert found["ml.c6i.large for endpoint usage"] == 2 * 12
    assert found["ml.c6i.xlarge for endpoint usage"] == 2
    assert found["Number of instances across active endpoints"] == 26


def test_an_endpoint_without_instances_needs_concurrency_alone(tmp_path: Path) -> None:
    build_app(VARIANTS["serverless"], outdir=str(tmp_path / "serverless")).synth()
    found = of_environment(tmp_path / "serverless")
    most = VARIANTS["serverless"].endpoint.serverless
    assert most is not None
    quota = "Maximum total concurrency that can be allocated across all serverless endpoints"
    assert found[quota] == most.max_concurrency
    assert not any("endpoint usage" in name for name in found)


def pipeline(*steps: object) -> dict[str, object]:
    size = {"Name": "Size", "Type": "String", "DefaultValue": "ml.m5.large"}
    definition = {"Parameters": [size], "Steps": steps}
    return {
        "PipelineDefinition": {"PipelineDefinitionBody": {"Fn::Sub": [json.dumps(definition), {}]}}
    }


def processing(name: str, count: int, *before: str, reads: str | None = None) -> dict[str, object]:
    cluster = {"InstanceType": {"Get": "Parameters.Size"}, "InstanceCount": count}
    source = {"Get": f"Steps.{reads}.ProcessingOutputConfig.Outputs['a'].S3Output.S3Uri"}
    return {
        "Name": name,
        "Type": "Processing",
        "DependsOn": list(before),
        "Arguments": {
            "ProcessingResources": {"ClusterConfig": cluster},
            "ProcessingInputs": [] if reads is None else [{"S3Uri": {"Std:Join": [source]}}],
        },
    }


LARGE = JobUse("processing", "ml.m5.large")


@pytest.mark.parametrize(
    ("steps", "at_a_time"),
    [
        ([processing("A", 1), processing("B", 2, "A"), processing("C", 4, reads="B")], 4),
        ([processing("A", 1), processing("B", 2, "A"), processing("C", 4, "A")], 6),
        ([processing("A", 1), processing("B", 2), processing("C", 1, "A", "B")], 3),
    ],
)
def test_steps_that_do_not_wait_for_each_other_run_at_a_time(
    steps: list[object], at_a_time: int
) -> None:
    assert pipeline_jobs(pipeline(*steps)) == {LARGE: at_a_time}


def test_a_branch_waits_for_its_condition() -> None:
    gate = {
        "Name": "Gate",
        "Type": "Condition",
        "Arguments": {
            "Conditions": [{"LeftValue": {"Std:JsonGet": {"S3Uri": {"Get": "Steps.A.B"}}}}],
            "IfSteps": [processing("Yes", 2)],
            "ElseSteps": [processing("No", 1)],
        },
    }
    assert pipeline_jobs(pipeline(processing("A", 3), gate)) == {LARGE: 3}


def test_a_tuning_step_has_as_many_clusters_as_jobs_in_parallel() -> None:
    job = {
        "EnableManagedSpotTraining": True,
        "ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 2},
    }
    limits = {"ResourceLimits": {"MaxParallelTrainingJobs": 3}}
    step = {
        "Name": "Tune",
        "Type": "Tuning",
        "Arguments": {"HyperParameterTuningJobConfig": limits, "TrainingJobDefinition": job},
    }
    assert pipeline_jobs(pipeline(step)) == {
        JobUse("spot training", "ml.g5.xlarge"): 6,
        JobUse(TUNING, ""): 3,
    }
