"""Whatever comes in whatever order, the right package is served in the end."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from deploy_model.stack import UpdateOutcome
from hypothesis import given
from hypothesis import strategies as st

from pipeline_code.contracts.packages import NO_MODEL, package_of

from .deploying import NOON, SETTINGS, Play, Playing, World, play

ACTIONS = st.one_of(
    st.tuples(st.just("approve"), st.integers(1, 4)),
    st.tuples(st.just("reject"), st.integers(1, 4)),
    st.tuples(st.just("register"), st.integers(1, 4)),
    st.tuples(st.just("challenge"), st.integers(0, 4)),
    st.tuples(st.just("tamper"), st.integers(0, 4)),
    st.tuples(st.just("deliver"), st.integers(0, 9)),
    st.tuples(st.just("deliver twice"), st.integers(0, 9)),
    st.tuples(st.just("lose"), st.integers(0, 9)),
    st.tuples(st.just("settle"), st.just(0)),
)


# What keeps a deployment from going on and is not its package's.
HINDRANCES = ["ResourceLimitExceeded", "alarm"]


@pytest.fixture(autouse=True)
def without_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The properties' packages have none, but copying asks for a client first."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


@given(
    actions=st.lists(ACTIONS, max_size=25),
    broken=st.sets(st.integers(1, 4), max_size=2),
    misfits=st.sets(st.integers(1, 4), max_size=1),
    hindrances=st.lists(st.sampled_from(["", *HINDRANCES]), max_size=4),
)
def test_in_the_end_the_newest_approval_that_can_be_served_is(
    actions: list[tuple[str, int]], broken: set[int], misfits: set[int], hindrances: list[str]
) -> None:
    world = World(sorted(broken), sorted(misfits), hindrances)
    play(world, actions)
    approved = world.approved()
    if approved:
        assert world.endpoint is not None
        assert world.endpoint.package == approved[0]["ModelPackageArn"]
        assert world.endpoint.package not in {world.arn(number) for number in broken | misfits}
    if world.endpoint is not None:
        assert world.values["/approved"] == world.endpoint.spelled
        assert package_of(world.values["/challenger"]) == world.endpoint.challenger
    # While an endpoint runs, the parameter names a package.
    assert (NO_MODEL, True) not in world.named
    # What has served is rejected by people only: a challenger's failure is not its own.
    for arn in world.served:
        assert world.found[arn]["ModelApprovalStatus"] == world.by_people[arn]


@given(
    actions=st.lists(ACTIONS, max_size=25),
    hindrances=st.lists(st.sampled_from(["", *HINDRANCES]), max_size=4),
)
def test_without_anything_broken_nothing_is_rejected_but_by_people(
    actions: list[tuple[str, int]], hindrances: list[str]
) -> None:
    world = World([], [], hindrances)
    play(world, actions)
    for arn, status in world.by_people.items():
        assert world.found[arn]["ModelApprovalStatus"] == status


def test_a_challenger_that_does_not_run_is_let_go_and_the_deployed_package_is_not_blamed() -> None:
    world = World([2], [])
    world.decide(2, "PendingManualApproval")
    play(world, [("approve", 1), ("deliver", 0), ("settle", 0), ("challenge", 2)])
    assert world.endpoint == world.serving(1)
    assert world.values["/challenger"] == NO_MODEL
    assert world.found[world.arn(1)]["ModelApprovalStatus"] == "Approved"
    assert world.last is not None
    assert (world.last.state, world.last.challenger) == ("RolledBack", world.arn(2))


def test_a_stack_that_a_person_has_to_bring_back_is_said_and_nothing_is_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    world: Any = World([], [])
    world.decide(1, "Approved")
    played = Play(world)
    played.event()
    played.deliver(0, twice=False)
    world.under_way, world.status = None, "UPDATE_ROLLBACK_FAILED"
    played.event()
    played.deliver(0, twice=False)
    assert world.last.state == "Failed"
    assert "stack serving is UPDATE_ROLLBACK_FAILED" in world.last.reason
    (counted,) = (
        found
        for line in capsys.readouterr().out.splitlines()
        if "_aws" in (found := json.loads(line))
    )
    assert counted["FailedDeployments"] == 1
    assert counted["EndpointName"] == SETTINGS.endpoint_name
    # Once the roll-back was continued, the package is blamed as if it had ended so at once.
    world.status = "UPDATE_ROLLBACK_COMPLETE"
    world.ended[world.last.update] = UpdateOutcome("UPDATE_ROLLBACK_FAILED", "Endpoint: gone", NOON)
    played.event()
    played.deliver(0, twice=False)
    assert world.last.state == "RolledBack"
    assert world.found[world.arn(1)]["ModelApprovalStatus"] == "Rejected"


def test_a_stack_that_is_being_deleted_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    world: Any = World([], [])
    world.decide(1, "Approved")
    world.status = "DELETE_IN_PROGRESS"
    done = Playing(SETTINGS, world, world, world, world).reconcile("message", None, None)
    assert done == "stack serving is DELETE_IN_PROGRESS"
    assert "_aws" not in capsys.readouterr().out


def test_a_rejected_package_without_another_goes_on_serving_and_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    world: Any = World([], [])
    play(world, [("approve", 1), ("reject", 1)])
    world.decide(1, "Approved")
    play(world, [])
    world.decide(1, "Rejected")
    capsys.readouterr()
    done = Playing(SETTINGS, world, world, world, world).reconcile("message", None, None)
    assert (
        done == f"{world.arn(1)} is not approved, but no other package is, and it goes on serving"
    )
    assert "FailedDeployments" in capsys.readouterr().out
    assert world.endpoint.package == package_of(world.values["/approved"]) == world.arn(1)


def test_a_stack_that_has_nothing_to_update_though_its_endpoint_is_another_is_said() -> None:
    world: Any = World([], [])
    world.decide(1, "Approved")
    world.update = lambda _token: False
    done = Playing(SETTINGS, world, world, world, world).reconcile("message", None, None)
    assert "has nothing to update, yet its endpoint serves none" in done
    assert world.last.state == "Failed"


def test_an_update_that_somebody_else_made_is_a_success() -> None:
    world: Any = World([], [])
    world.decide(1, "Approved")

    def made_meanwhile(_token: str) -> bool:
        world.endpoint = world.serving(1)
        return False

    world.update = made_meanwhile
    done = Playing(SETTINGS, world, world, world, world).reconcile("message", None, None)
    assert done == "the stack is up to date"
    assert replace(world.last, since="", begun="", update="").state == "InService"


def reconciled(world: Any) -> str:
    """What is done with pauses of a day, once no update is under way."""
    world.settle()
    settings = replace(SETTINGS, first_pause=timedelta(days=1))
    return Playing(settings, world, world, world, world).reconcile("message", None, None)


def test_what_waits_is_begun_by_an_approval_or_when_what_serves_is_revoked() -> None:
    world: Any = World([], [], ["", "ResourceLimitExceeded", "ResourceLimitExceeded"])
    world.clock = datetime.now(UTC) - timedelta(hours=1)
    world.decide(1, "Approved")
    assert "started" in reconciled(world)
    world.decide(2, "Approved")
    assert "started" in reconciled(world)
    waits = f"{world.arn(2)} is tried again after "
    assert reconciled(world).startswith(waits)
    assert (world.last.state, world.last.cause, world.last.attempts) == ("RolledBack", "aws", 1)
    assert reconciled(world).startswith(waits)
    # As if the approval came after the failure.
    world.last = replace(world.last, since="2020-01-01T00:00:00Z")
    assert "started" in reconciled(world)
    assert reconciled(world).startswith(waits)
    assert world.last.attempts == 2
    world.decide(1, "Rejected")
    assert "started" in reconciled(world)
    reconciled(world)
    assert world.endpoint == world.serving(2)
    assert (world.last.state, world.last.retry_at) == ("InService", "")
