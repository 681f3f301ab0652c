"""An environment whose first model fails, and whose monitors are pipelines on schedules."""

import json
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aws_cdk import CfnResource

from app import build_app
from benchmarks.promotion import register_broken
from local_aws.server import EmbeddedAws, free_port
from operations import executions
from operations.data import lake
from operations.demo.story import Scale, simulated
from operations.deployment import provisioning, toolchain
from operations.models import approvals, registry
from operations.serving import batch
from operations.target import Target, connect
from pipeline_code.common.lake import Landing, write
from stacks.environments import Environment

PATIENCE_SECONDS = 240.0
# Types of steps that are jobs, and what an executed step calls its job.
_JOBS = {"Processing": "ProcessingJob", "Training": "TrainingJob", "Transform": "TransformJob"}


def play_scheduled(state: Path, environments: Sequence[Environment], decisions: Path) -> None:
    """Deploy, play until each schedule has fired, and take the monitors away.

    Args:
        state: Folder of an embedded AWS of its own.
        environments: One with the engine `scheduled`, and the same with models that the gate
            approves, which takes its place.
        decisions: What its decisions are appended to.
    """
    os.environ["FRAUDLOOP_DECISIONS"] = str(decisions)
    asking, approving = environments
    with EmbeddedAws(state, free_port()):
        target = connect("local", profile=None, region=None, state=state)
        toolchain.bootstrap(target)
        deploy(target, asking, state / "asking")
        _ingest(target, state / "staging")
        package = _trained(target)
        _fail_first(target, package)
        approvals.approve(target, package, reason="permissions: the first that answers")
        registry.await_deployment(target, package)
        _fire_schedules(target)
        deploy(target, approving, state / "approving", seed_again=True)
        registry.await_deployment(target, _trained(target))
        stop_pipelines(target)
        take_monitors_away(target)
        destroy(target, state / "approving")


def destroy(target: Target, assembly: Path) -> None:
    """Take an environment away, with what S3 and its endpoint would have put into its buckets."""
    s3 = target.client("s3")
    (logs,) = (
        each["Name"] for each in s3.list_buckets()["Buckets"] if "lakeaccesslogs" in each["Name"]
    )
    s3.put_object(Bucket=logs, Key="artifacts/log", Body=b"a line")
    captures, endpoint = target.output("CapturesBucketName"), target.output("EndpointName")
    s3.put_object(Bucket=captures, Key=f"{endpoint}/AllTraffic/capture.jsonl", Body=b"{}")
    provisioning.destroy(target, assembly)


def stop_pipelines(target: Target) -> None:
    """Stop an execution of every pipeline at each kind of job that it has, while that runs."""
    sagemaker = target.client("sagemaker")
    for pipeline in sagemaker.list_pipelines()["PipelineSummaries"]:
        name = pipeline["PipelineName"]
        definition = sagemaker.describe_pipeline(PipelineName=name)["PipelineDefinition"]
        kinds = {step["Type"] for step in json.loads(definition)["Steps"]} & _JOBS.keys()
        for kind in sorted(kinds):
            _stop(sagemaker, _started(target, name, kind), _JOBS[kind])


def _stop(sagemaker: Any, arn: str, job: str) -> None:
    def status() -> str:
        found = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        return str(found["PipelineExecutionStatus"])

    await_(lambda: job in _running(sagemaker, arn))
    sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken="s" * 32)
    await_(lambda: status() == "Stopped")


def _started(target: Target, pipeline: str, kind: str) -> str:
    if pipeline == target.output("BatchPipelineName"):
        raw = target.output("RawBucketName")
        return batch.start(target, f"s3://{raw}/transactions/").execution
    if pipeline == target.output("TrainingPipelineName"):
        # Of other days than before, so that no result is used again.
        days = "20" if kind == "Processing" else "19"
        return executions.start(target, reason="permissions", parameters={"TrainDays": days})
    started = target.client("sagemaker").start_pipeline_execution(PipelineName=pipeline)
    return str(started["PipelineExecutionArn"])


def _running(sagemaker: Any, execution: str) -> set[str]:
    """The kinds of jobs, as steps name them, that an execution has under way."""
    steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution)
    return {
        kind
        for step in steps["PipelineExecutionSteps"]
        if step["StepStatus"] == "Executing"
        for kind in step.get("Metadata", {})
    }


def take_monitors_away(target: Target) -> None:
    """Have the parameter name no model, so that there is nothing to monitor."""
    name = target.output("ApprovedModelParameterName")
    target.client("ssm").put_parameter(Name=name, Value="none", Overwrite=True)
    sagemaker, scheduler = target.client("sagemaker"), target.client("scheduler")
    await_(lambda: not sagemaker.list_monitoring_schedules()["MonitoringScheduleSummaries"])
    await_(lambda: not scheduler.list_schedules()["Schedules"])


def deploy(
    target: Target, environment: Environment, assembly: Path, *, seed_again: bool = False
) -> None:
    """Deploy, if so with another property of what seeds parameters, so that it is called again."""
    app = build_app(environment, outdir=str(assembly))
    for each in app.node.find_all() if seed_again else ():
        if isinstance(each, CfnResource) and each.cfn_resource_type == "Custom::SeededParameter":
            each.add_property_override("Again", "1")
    app.synth()
    toolchain.deploy(target, assembly)


def _ingest(target: Target, folder: Path) -> None:
    story = simulated(Scale(customers=120))
    history = story.stream.between(story.start, story.quiet)
    landing = Landing(
        transactions=history.transactions,
        fraud_reports=history.fraud_reports,
        customers=story.customers,
    )
    write(landing, folder)
    lake.upload(target, folder)


def _trained(target: Target) -> str:
    execution = executions.watch(target, executions.start(target, reason="permissions"))
    return str(executions.require_success(target, execution).model_package)


def _fail_first(target: Target, package: str) -> None:
    """Of a first deployment that fails, CloudFormation deletes what it has made."""
    sagemaker, broken = target.client("sagemaker"), register_empty(target, package)
    approvals.approve(target, broken, reason="permissions: fails")
    await_(
        lambda: (
            sagemaker.describe_model_package(ModelPackageName=broken)["ModelApprovalStatus"]
            == "Rejected"
        )
    )


def register_copy(target: Target, package: str) -> str:
    """Another version of a package, of the same model; returns its ARN."""
    sagemaker = target.client("sagemaker")
    described = sagemaker.describe_model_package(ModelPackageName=package)
    kept = ("ModelPackageGroupName", "InferenceSpecification", "DriftCheckBaselines")
    metadata = {
        name: value
        for name, value in described["CustomerMetadataProperties"].items()
        if not name.startswith("decision_")
    }
    made = sagemaker.create_model_package(
        **{member: described[member] for member in kept},
        ModelApprovalStatus="PendingManualApproval",
        CustomerMetadataProperties=metadata,
    )
    return str(made["ModelPackageArn"])


def register_empty(target: Target, package: str) -> str:
    """A copy of a package whose archive is none; returns its ARN."""
    broken = register_broken(target, package)
    described = target.client("sagemaker").describe_model_package(ModelPackageName=broken)
    (container,) = described["InferenceSpecification"]["Containers"]
    place = urlsplit(container["ModelDataUrl"])
    target.client("s3").put_object(Bucket=place.netloc, Key=place.path[1:], Body=b"no archive")
    return broken


def _fire_schedules(target: Target) -> None:
    """Each at once, and not when its hour comes."""
    scheduler, sagemaker = target.client("scheduler"), target.client("sagemaker")

    def schedules() -> list[str]:
        found = scheduler.list_schedules(NamePrefix=target.stack_name(""))["Schedules"]
        return [each["Name"] for each in found]

    def started(pipeline: str) -> Any:
        found = sagemaker.list_pipeline_executions(PipelineName=pipeline)
        return found["PipelineExecutionSummaries"]

    pipelines = [each["PipelineName"] for each in sagemaker.list_pipelines()["PipelineSummaries"]]
    await_(lambda: len(schedules()) >= len(pipelines) - 2)  # training and batch have none
    for name in schedules():
        known = scheduler.get_schedule(Name=name)
        moment = datetime.now(UTC) + timedelta(seconds=3)
        scheduler.update_schedule(
            Name=name,
            FlexibleTimeWindow={"Mode": "OFF"},
            ScheduleExpression=f"at({moment:%Y-%m-%dT%H:%M:%S})",
            Target=known["Target"],
        )
        await_(partial(started, known["Target"]["Arn"].rpartition("/")[2]))


def await_(is_so: Callable[[], object]) -> None:
    """Wait for something.

    Raises:
        SystemExit: If it takes too long.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit(
                f"the loop must be played to its end, got none in {PATIENCE_SECONDS} s"
            )
        time.sleep(0.5)
