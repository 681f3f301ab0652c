"""The whole loop, played as its integration tests do, with every decision written down."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from benchmarks.permissions.scheduled import await_, register_copy, register_empty, stop_pipelines
from lifecycle.endpoint import VARIANT_NAME
from operations.errors import OperationError
from operations.models import approvals, registry
from operations.serving import shadow
from operations.target import PROJECT_ROOT, Target, connect
from pipeline_code.serve.store import ONE_BY_ONE

# The demo comes first. The monitors' test leaves the other engine behind.
TESTS = (
    "registry",  # decisions, lineage, a roll-back
    "rollout",  # a canary, and a broken version that is rolled back
    "configurations",  # tuning, two hosts
    "batch",
    "parity",
    "streaming",
    "monitoring",  # both engines
)
STATE = "state"
_PLAIN, _OLD = ("X-Forwarded-Proto", "http"), ("X-Amzn-Tls-Version", "TLSv1.1")


def play(folder: Path, decisions: Path, report: Callable[[str], None]) -> Target:
    """Play the loop in a folder; what it deployed is left running.

    Raises:
        SystemExit: If something that is played fails.
    """
    variables = {**os.environ, "FRAUDLOOP_DECISIONS": str(decisions)}
    files = [f"tests/integration/test_{name}.py" for name in TESTS]
    options = ["--played", str(folder), "-p", "no:cacheprovider", "-x"]
    report("playing the loop")
    _run([sys.executable, "-m", "pytest", *options, *files], variables)
    target = connect("local", profile=None, region=None, state=folder / STATE)
    report("a challenger in the shadow")
    for verb in (("start", "1"), ("stop",)):
        fraudloop(folder, "shadow", *verb)
    _challenge_in_vain(target)
    report("several transactions in one request")
    _ask_for_several(target)
    report("what comes at the wrong moment")
    _wrong_moments(target)
    return target


def _ask_for_several(target: Target) -> None:
    """A request whose states the server reads in a batch: it has too many for one by one."""
    transaction = {"event_time": "2018-08-01T10:30:00Z", "amount": "1.00"}
    asked = [
        {**transaction, "transaction_id": id_, "customer_id": id_, "terminal_id": id_}
        for id_ in range(ONE_BY_ONE)
    ]
    target.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=target.output("EndpointName"),
        ContentType="application/json",
        Body=json.dumps(asked),
    )


def _challenge_in_vain(target: Target) -> None:
    """A challenger that cannot start: who deploys lets it go."""
    with suppress(OperationError):
        shadow.start(target, register_empty(target, registry.deployed_package(target)))


def _wrong_moments(target: Target) -> None:
    """An approval while the endpoint changes, what is no event, pipelines that fail or stop."""
    copy = register_copy(target, registry.deployed_package(target))
    # The endpoint is being changed when its stack should be.
    target.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName=target.output("EndpointName"),
        DesiredWeightsAndCapacities=[{"VariantName": VARIANT_NAME, "DesiredInstanceCount": 3}],
    )
    approvals.approve(target, copy, reason="permissions: at the wrong moment")
    registry.await_deployment(target, copy)
    function = target.output("RetrainingFunctionName")
    (mapping,) = target.client("lambda").list_event_source_mappings(FunctionName=function)[
        "EventSourceMappings"
    ]
    sqs, queue = target.client("sqs"), mapping["EventSourceArn"].rpartition(":")[2]
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="no event", MessageGroupId="none")
    _fail_labels(target)
    stop_pipelines(target)


def _fail_labels(target: Target) -> None:
    """A report that cannot be read fails the labels' job, which is then started again."""
    s3, sagemaker = target.client("s3"), target.client("sagemaker")
    bucket = target.output("RawBucketName")
    reports = s3.list_objects_v2(Bucket=bucket, Prefix="fraud_reports/")["Contents"]
    place = {"Bucket": bucket, "Key": f"{reports[-1]['Key'].rpartition('/')[0]}/broken.parquet"}
    s3.put_object(**place, Body=b"no report")
    sagemaker.start_pipeline_execution(PipelineName=target.output("LabelsPipelineName"))
    await_(
        lambda: any(
            each["ProcessingJobName"].endswith("-r1")
            for each in sagemaker.list_processing_jobs(NameContains="-Labels-")[
                "ProcessingJobSummaries"
            ]
        )
    )
    s3.delete_object(**place)


def fraudloop(folder: Path, *arguments: str) -> None:
    """Run a verb as a user does."""
    command = [sys.executable, "-m", "operations.cli", *arguments]
    _run([*command, "--state", str(folder / STATE)], dict(os.environ))


def _run(command: list[str], variables: dict[str, str]) -> None:
    if subprocess.run(command, cwd=PROJECT_ROOT, env=variables, check=False).returncode:
        raise SystemExit(f"the loop must be played to its end, got a failure of {command}")


def unencrypted(target: Target) -> Iterator[tuple[str, bool]]:
    """Every bucket, queue and topic, asked by the operator without TLS, and whether it refused."""
    s3, sqs, sns = (_saying(target, name, _PLAIN) for name in ("s3", "sqs", "sns"))
    for bucket in target.client("s3").list_buckets()["Buckets"]:
        name = bucket["Name"]
        if name.startswith("fraudloop-"):
            for how, client in (("plainly", s3), ("by TLS 1.1", _saying(target, "s3", _OLD))):
                yield f"list {name} {how}", _refused(client.list_objects_v2, Bucket=name)
                yield f"read {name} {how}", _refused(client.get_object, Bucket=name, Key="none")
    for url in sqs.list_queues(QueueNamePrefix="fraudloop-").get("QueueUrls", []):
        yield f"receive of {url}", _refused(sqs.receive_message, QueueUrl=url)
    for topic in sns.list_topics()["Topics"]:
        arn = topic["TopicArn"]
        yield f"publish to {arn}", _refused(sns.publish, TopicArn=arn, Message="forbidden")


def _saying(target: Target, service: str, header: tuple[str, str]) -> Any:
    # One of its own: the target's is everybody's.
    client = target.session.client(service)
    client.meta.events.register(
        "before-sign", lambda request, **_: request.headers.add_header(*header)
    )
    return client


def _refused(call: Callable[..., Any], **arguments: Any) -> bool:
    try:
        call(**arguments)
    except ClientError as error:
        return bool(error.response["ResponseMetadata"]["HTTPStatusCode"] == 403)
    return False
