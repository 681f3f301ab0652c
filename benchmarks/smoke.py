"""What `fraudloop smoke` leaves behind when it is killed: nothing, once the next run has ended.

    python -m benchmarks.smoke --kills 10 --json -

On an embedded AWS of its own: a run is begun and killed (SIGKILL) at a random moment of its life,
its clean-up included, then the next run is played, of one question. What is in the account, service
by service, is compared with what was there before. A key that waits for its deletion counts as
gone, and so does a job that has ended, which nobody can delete.

JSON: kills; moments, in seconds after the run's stack was begun; left_by_kills, how many things
each killed run left; left, how many of all of them the next runs left.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.measuring import add_json, show
from local_aws.behaviours import questions
from local_aws.server import EmbeddedAws, free_port
from operations.smoke.run import PREFIX
from operations.target import PROJECT_ROOT

__all__ = ["account", "begin", "everything"]

IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/fraudloop:test"
# A run takes some eight seconds, the last two of which are its clean-up.
_LONGEST_SECONDS = 8.0
Client = Callable[[str], Any]
# Service, operation, member of its answer, what names an item; None if items are names.
_LISTED = (
    ("sagemaker", "list_endpoints", "Endpoints", "EndpointName"),
    ("sagemaker", "list_endpoint_configs", "EndpointConfigs", "EndpointConfigName"),
    ("sagemaker", "list_models", "Models", "ModelName"),
    ("sagemaker", "list_pipelines", "PipelineSummaries", "PipelineName"),
    ("sagemaker", "list_feature_groups", "FeatureGroupSummaries", "FeatureGroupName"),
    (
        "sagemaker",
        "list_model_package_groups",
        "ModelPackageGroupSummaryList",
        "ModelPackageGroupName",
    ),
    ("sagemaker", "list_model_packages", "ModelPackageSummaryList", "ModelPackageArn"),
    (
        "sagemaker",
        "list_monitoring_schedules",
        "MonitoringScheduleSummaries",
        "MonitoringScheduleName",
    ),
    ("s3", "list_buckets", "Buckets", "Name"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("sqs", "list_queues", "QueueUrls", None),
    ("kinesis", "list_streams", "StreamNames", None),
    ("firehose", "list_delivery_streams", "DeliveryStreamNames", None),
    ("events", "list_rules", "Rules", "Name"),
    ("events", "list_event_buses", "EventBuses", "Name"),
    ("scheduler", "list_schedules", "Schedules", "Name"),
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("kms", "list_aliases", "Aliases", "AliasName"),
    ("ecr", "describe_repositories", "repositories", "repositoryName"),
    ("cloudformation", "describe_stacks", "Stacks", "StackName"),
)
# Jobs cannot be deleted.
_JOBS = (
    ("list_processing_jobs", "ProcessingJobSummaries", "ProcessingJobName", "ProcessingJobStatus"),
    ("list_transform_jobs", "TransformJobSummaries", "TransformJobName", "TransformJobStatus"),
)


def everything(client: Client) -> set[str]:
    """What is in an account: `service operation name`; keys and jobs if they are not gone."""
    return {*_listed(client), *_running(client), *_keys(client)}


def _listed(client: Client) -> Iterator[str]:
    for service, operation, member, field in _LISTED:
        answer = getattr(client(service), operation)()
        for each in answer.get(member, []):
            if not str(each.get("StackStatus", "") if field else "").startswith("DELETE_C"):
                yield f"{service} {operation} {each if field is None else each[field]}"


def _running(client: Client) -> Iterator[str]:
    for operation, member, name, status in _JOBS:
        for each in getattr(client("sagemaker"), operation)()[member]:
            if each[status] in ("InProgress", "Stopping"):
                yield f"sagemaker {operation} {each[name]}"


def _keys(client: Client) -> Iterator[str]:
    kms = client("kms")
    for each in kms.list_keys()["Keys"]:
        if kms.describe_key(KeyId=each["KeyId"])["KeyMetadata"]["KeyState"] != "PendingDeletion":
            yield f"kms key {each['KeyId']}"


@contextmanager
def account(folder: Path, behaviour: dict[str, str] | None = None) -> Iterator[EmbeddedAws]:
    """An embedded AWS that plays these readings, with the image of `local` deployed and no more."""
    file = folder / "told.json"
    questions.write(file, behaviour or {})
    with EmbeddedAws(folder / "state", free_port(), behaviour=file) as aws:
        client, name = aws.session().client, "fraudloop-local-training"
        client("ecr").create_repository(repositoryName="fraudloop")
        topic = {"Type": "AWS::SNS::Topic"}
        template = {"Resources": {"Topic": topic}, "Outputs": {"ImageUri": {"Value": IMAGE}}}
        client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(template))
        waiter = client("cloudformation").get_waiter("stack_create_complete")
        waiter.wait(StackName=name, WaiterConfig={"Delay": 0.1})
        yield aws


def begin(aws: EmbeddedAws, *options: str) -> subprocess.Popen[str]:
    """A run that has begun with its stack."""
    process = subprocess.Popen(
        [sys.executable, "-m", "operations.cli", "smoke", "--state", str(aws.state_dir), *options],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    cloudformation = aws.session().client("cloudformation")
    while not [s for s in cloudformation.describe_stacks()["Stacks"] if PREFIX in s["StackName"]]:
        time.sleep(0.05)
    return process


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    add_json(parser)
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)  # noqa: S311 - no secret
    with (
        tempfile.TemporaryDirectory(prefix="smoke-") as folder,
        account(Path(folder)) as aws,
    ):
        killed = [_kill(aws, moments.uniform(0, _LONGEST_SECONDS)) for _ in range(arguments.kills)]
    result = {
        "kills": len(killed),
        "moments": [round(moment, 2) for moment, _by_kill, _left in killed],
        "left_by_kills": [by_kill for _moment, by_kill, _left in killed],
        "left": sum(left for _moment, _by_kill, left in killed),
    }
    show(result, arguments.json)


def _kill(aws: EmbeddedAws, moment: float) -> tuple[float, int, int]:
    client = aws.session().client
    before = everything(client)
    process = begin(aws)
    time.sleep(moment)
    process.kill()
    process.communicate()
    by_kill = len(everything(client) - before)
    begin_and_end = [sys.executable, "-m", "operations.cli", "smoke", "--only", "bus-role"]
    subprocess.run(
        [*begin_and_end, "--state", str(aws.state_dir)],
        cwd=PROJECT_ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return moment, by_kill, len(everything(client) - before)


if __name__ == "__main__":
    main()
