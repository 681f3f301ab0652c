"""The deployed endpoint under constant load, while a broken version comes and an instance goes."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from benchmarks.promotion import await_rejection, kill, register_broken, servers, share_of
from local_aws.server import EmbeddedAws
from operations.demo.story import Scale, simulated
from operations.demo.traffic import Traffic, captured
from operations.models import approvals, registry
from operations.serving.scoring import requests_of

pytestmark = pytest.mark.end_to_end


@pytest.fixture(scope="module")
def requests() -> list[dict[str, Any]]:
    story = simulated(Scale(customers=120))
    return list(
        requests_of(story.stream.between(story.quiet, story.drift).transactions.slice(0, 300))
    )


def answers(traffic: Traffic) -> int:
    return len(traffic.scored.scores)


def await_answers(traffic: Traffic, count: int) -> None:
    """More of them, whoever gave those so far."""
    wanted, deadline = answers(traffic) + count, time.monotonic() + 60
    while answers(traffic) < wanted:
        assert time.monotonic() < deadline, traffic.scored.failures
        time.sleep(0.1)


def test_a_broken_version_is_rolled_back_and_never_tried_again(
    played: Any, requests: list[dict[str, Any]]
) -> None:
    target = played.target
    before = registry.deployed_package(target)
    broken, begun = register_broken(target, before), datetime.now(UTC)
    with Traffic(target, requests, per_second=25.0) as traffic:
        await_answers(traffic, 20)
        approvals.approve(target, broken, reason="test: it looked good")
        await_rejection(target, broken, before)
        await_answers(traffic, 20)
    # It answered a part of the requests, and the version before it all others.
    assert traffic.scored.failures == []
    assert set(traffic.scored.model_versions) == {before, broken}
    assert share_of(traffic.asked, broken) < 0.75  # half of the fleet, and chance
    assert set(captured(target, traffic).values()) == {1}
    package = target.client("sagemaker").describe_model_package(ModelPackageName=broken)
    assert "alarm" in package["ApprovalDescription"].lower()
    value = target.client("ssm").get_parameter(
        Name=f"/fraudloop/{target.environment}/deployment-state"
    )["Parameter"]["Value"]
    state = json.loads(value)
    assert (state["state"], state["model_package"]) == ("RolledBack", broken)
    # Under the role of the stack's own, whichever role deployed it before.
    (stack,) = target.client("cloudformation").describe_stacks(
        StackName=target.stack_name("serving")
    )["Stacks"]
    assert "StackRole" in stack["RoleARN"]
    # The monitors never looked for its captures: of what did not come to serve there are no more.
    monitoring = target.stack_name("monitoring")
    pages = target.client("cloudformation").get_paginator("describe_stack_events")
    events = [each for page in pages.paginate(StackName=monitoring) for each in page["StackEvents"]]
    assert max(each["Timestamp"] for each in events) < begun


def test_the_loss_of_an_instance_costs_what_it_was_answering_at_most(
    played: Any, requests: list[dict[str, Any]]
) -> None:
    embedded = EmbeddedAws(played.state)
    with Traffic(played.target, requests, per_second=25.0) as traffic:
        await_answers(traffic, 20)
        lost = servers(embedded)[0]
        kill(lost)
        await_answers(traffic, 50)
    assert len(traffic.scored.failures) <= 2
    assert set(captured(played.target, traffic).values()) == {1}
    deadline = time.monotonic() + 60
    while len(alive := servers(embedded)) < 2 or lost in alive:
        assert time.monotonic() < deadline
        time.sleep(0.2)
