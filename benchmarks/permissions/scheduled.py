"""An environment whose first model fails, and whose monitors are pipelines on schedules."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.promotion import register_broken
from local_aws.server import EmbeddedAws, free_port
from operations import approvals, executions, lake, registry, toolchain
from operations.demo.story import Scale, simulated
from operations.target import Target, connect
from pipeline_code.common.lake import Landing, write

PATIENCE_SECONDS = 240.0


def play_scheduled(state: Path, assembly: Path, decisions: Path) -> None:
    """Deploy an assembly, and play until each of its schedules has fired.

    Args:
        state: Folder of an embedded AWS of its own.
        assembly: The environment `local`, with the engine `scheduled`.
        decisions: What its decisions are appended to.
    """
    os.environ["FRAUDLOOP_DECISIONS"] = str(decisions)
    with EmbeddedAws(state, free_port()):
        target = connect("local", profile=None, region=None, state=state)
        toolchain.bootstrap(target)
        toolchain.deploy(target, assembly)
        _ingest(target, state / "staging")
        execution = executions.watch(target, executions.start(target, reason="permissions"))
        package = str(executions.require_success(execution).model_package)
        _fail_first(target, package)
        approvals.approve(target, package, reason="permissions: the first that answers")
        registry.await_deployment(target, package)
        _fire_schedules(target)


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


def _fail_first(target: Target, package: str) -> None:
    """Of a first deployment that fails, CloudFormation deletes what it has made."""
    sagemaker = target.client("sagemaker")
    broken = register_broken(target, package)
    described = sagemaker.describe_model_package(ModelPackageName=broken)
    (container,) = described["InferenceSpecification"]["Containers"]
    place = urlsplit(container["ModelDataUrl"])
    target.client("s3").put_object(Bucket=place.netloc, Key=place.path[1:], Body=b"no archive")
    approvals.approve(target, broken, reason="permissions: fails")
    _await(
        lambda: (
            sagemaker.describe_model_package(ModelPackageName=broken)["ModelApprovalStatus"]
            == "Rejected"
        )
    )


def _fire_schedules(target: Target) -> None:
    """Each at once, and not when its hour comes."""
    scheduler, sagemaker = target.client("scheduler"), target.client("sagemaker")

    def schedules() -> list[str]:
        found = scheduler.list_schedules(NamePrefix=target.stack_name(""))["Schedules"]
        return [each["Name"] for each in found]

    pipelines = [
        each["PipelineName"]
        for each in sagemaker.list_pipelines(PipelineNamePrefix=target.stack_name(""))[
            "PipelineSummaries"
        ]
    ]
    _await(lambda: len(schedules()) >= len(pipelines) - 2)  # training and batch have none
    for name in schedules():
        known = scheduler.get_schedule(Name=name)
        moment = datetime.now(UTC) + timedelta(seconds=3)
        scheduler.update_schedule(
            Name=name,
            FlexibleTimeWindow={"Mode": "OFF"},
            ScheduleExpression=f"at({moment:%Y-%m-%dT%H:%M:%S})",
            Target=known["Target"],
        )
        pipeline = known["Target"]["Arn"].rpartition("/")[2]
        _await(
            lambda name=pipeline: sagemaker.list_pipeline_executions(PipelineName=name)[
                "PipelineExecutionSummaries"
            ]
        )


def _await(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit(
                f"the loop must be played to its end, got none in {PATIENCE_SECONDS} s"
            )
        time.sleep(0.5)
