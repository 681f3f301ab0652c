"""What is deleted: all that a run made, however it ended, and nothing else."""

import os
import random
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from benchmarks.smoke import begin, everything
from local_aws.server import EmbeddedAws
from operations.smoke.run import PREFIX, new_name

# Another day, other moments; `python -m benchmarks.smoke` has ten of them.
MOMENTS = random.Random(time.strftime("%j"))  # noqa: S311 - no secret


@pytest.mark.parametrize("_moment", range(2))
def test_after_a_kill_the_next_run_leaves_nothing(
    _moment: int, aws: EmbeddedAws, smoke: Callable[..., Result]
) -> None:
    before = everything(aws.session().client)
    process = begin(aws)
    time.sleep(MOMENTS.uniform(0, 5))
    process.kill()
    process.communicate()
    done = smoke(aws, "--only", "bus-role")
    assert done.exit_code == 0, done.output
    assert everything(aws.session().client) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_nothing(number: int, aws: EmbeddedAws) -> None:
    before = everything(aws.session().client)
    process = begin(aws)
    time.sleep(MOMENTS.uniform(0, 2))
    process.send_signal(number)
    output, _ = process.communicate()
    assert process.returncode == 130, output
    assert "stopped; all that the run had made is deleted" in output
    assert everything(aws.session().client) == before


def test_what_others_made_stays(aws: EmbeddedAws, smoke: Callable[..., Result]) -> None:
    session = aws.session()
    # Lists of names that contain the prefix have the first; an environment may be called smoke.
    for name in (f"my-{new_name()}", "fraudloop-smoked", "fraudloop-smoke-training"):
        session.client("sagemaker").create_model_package_group(ModelPackageGroupName=name)
        session.client("s3").create_bucket(Bucket=name)
        session.client("s3").put_object(Bucket=name, Key="kept", Body=b"")
        session.client("logs").create_log_group(logGroupName=f"/aws/sagemaker/Endpoints/{name}")
        session.client("sqs").create_queue(QueueName=name)
        session.client("cloudformation").create_stack(
            StackName=name, TemplateBody='{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'
        )
    before = everything(session.client)
    own = f"/aws/sagemaker/Endpoints/{new_name()}"
    session.client("logs").create_log_group(logGroupName=own)
    done = smoke(aws, "--clean", "--json", "-")
    assert done.exit_code == 0, done.output
    assert f"log group {own}" in done.stdout
    assert everything(session.client) == before


def owned(aws: EmbeddedAws, name: str, by: str) -> None:
    aws.session().client("cloudformation").create_stack(
        StackName=name,
        TemplateBody='{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}',
        Tags=[{"Key": "fraudloop:smoke-by", "Value": by}],
    )


@pytest.mark.parametrize(
    "by",
    [f"elsewhere {os.getpid()}", f"{socket.gethostname()} {os.getppid()}"],
    # Processes of one run must call a test the same.
    ids=["another machine", "this machine"],
)
def test_a_run_that_goes_on_is_not_disturbed(
    by: str, aws: EmbeddedAws, smoke: Callable[..., Result]
) -> None:
    name = new_name()
    owned(aws, name, by)
    done = smoke(aws)
    assert done.exit_code == 1
    assert f"got {name} of {by}; wait for its end" in done.stderr
    assert smoke(aws, "--clean").exit_code == 0


@pytest.mark.parametrize(
    ("name", "by"),
    [
        (f"{PREFIX}00000001", "elsewhere 1"),
        (f"{PREFIX}7fffffff", f"{socket.gethostname()} {2**22}"),
    ],
)
def test_a_run_that_was_killed_is_cleaned_up_after(
    name: str, by: str, aws: EmbeddedAws, smoke: Callable[..., Result]
) -> None:
    before: Any = everything(aws.session().client)
    owned(aws, name, by)
    assert smoke(aws, "--only", "bus-role").exit_code == 0
    assert everything(aws.session().client) == before
