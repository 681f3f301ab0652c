"""What the function that deploys model packages decides, whatever comes when."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from deploy_model import handler
from deploy_model.alarms import VersionAlarms
from deploy_model.causes import Cause, pause
from deploy_model.fit import misfit
from deploy_model.ledger import Parameters
from deploy_model.settings import DeploymentSettings
from deploy_model.stack import Stack, StackBusyError, UpdateOutcome

from pipeline_code.contracts.alarms import VersionAlarm
from pipeline_code.contracts.packages import NO_MODEL

from .conftest import Aws, Invocation
from .deploying import (
    NOON,
    RECORDED,
    REPOSITORY,
    SETTINGS,
    STACK_ROLE,
    World,
    message,
    package,
    play,
)


@pytest.mark.parametrize("reference", [":0123abcd", ":0123abcd-cuda", "@sha256:" + "0" * 64, ""])
def test_any_image_of_the_repository_fits(reference: str) -> None:
    assert misfit(package(REPOSITORY + reference), SETTINGS) is None


@pytest.mark.parametrize(
    "image",
    ["fraudloop:1", f"{REPOSITORY}-other:1", REPOSITORY.replace("12.", "13."), "localhost:5000/a"],
)
def test_an_image_of_another_repository_does_not(image: str) -> None:
    expected = f"image must be of {REPOSITORY}, got {image}; train again in this environment"
    assert misfit(package(image), SETTINGS) == expected


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_a_package_of_any_version_that_is_alive_fits(version: str) -> None:
    recorded = RECORDED | {"feature_schema_version": version}
    assert misfit(package(recorded=recorded), SETTINGS) is None


# What fits, and what helps a package that does not.
FITTING = {
    "feature_schema_version": ("v2 or v3", "train again, or deploy code that still has it"),
    "capture_contract": ("1", "train again"),
}


@pytest.mark.parametrize("name", RECORDED)
def test_another_schema_or_contract_does_not_fit(name: str) -> None:
    reason = misfit(package(recorded=RECORDED | {name: "other"}), SETTINGS)
    allowed, advice = FITTING[name]
    assert reason == f"{name} must be {allowed}, got other; {advice}"


@pytest.mark.parametrize("name", RECORDED)
def test_a_package_that_does_not_say_has_to_be_trained_again(name: str) -> None:
    recorded = {key: value for key, value in RECORDED.items() if key != name}
    reason = misfit(package(recorded=recorded), SETTINGS)
    assert reason is not None
    assert reason.startswith(f"{name} must be {FITTING[name][0]}, got a package that does not say")
    assert reason.endswith("train again")


def test_a_package_that_does_not_say_what_its_model_is_does_not_fit() -> None:
    found = package()
    found["InferenceSpecification"]["Containers"][0].pop("Environment")
    reason = misfit(found, SETTINGS)
    assert reason is not None
    assert reason.startswith("MODEL_DIGEST must be among its variables, got none")
    assert reason.endswith("train again")


def test_a_package_that_no_parameter_can_spell_does_not_fit() -> None:
    found = package()
    found["InferenceSpecification"]["Containers"] *= 2
    assert misfit(found, SETTINGS) == "package must have one container, got 2"


def test_a_challenger_that_is_spelled_in_another_way_is_let_go() -> None:
    world = World([], [])
    world.decide(1, "Approved")
    world.decide(2, "PendingManualApproval")
    world.challenge(2)
    world.values["/challenger"] = world.values["/challenger"].replace("s3://a/b", "s3://mine/b")
    play(world, [])
    assert world.values["/challenger"] == NO_MODEL
    assert world.endpoint == world.serving(1)


STACK_ID = "arn:aws:cloudformation:eu-west-1:123456789012:stack/fraudloop-dev-serving/1"


def event(
    second: int, status: str, resource: str = STACK_ID, *, token: str = "", reason: str = ""
) -> dict[str, Any]:
    return {
        "StackId": STACK_ID,
        "StackName": "fraudloop-dev-serving",
        "EventId": str(second),
        "PhysicalResourceId": resource,
        "LogicalResourceId": resource.title(),
        "ResourceStatus": status,
        "Timestamp": NOON + timedelta(seconds=second),
        **({"ClientRequestToken": token} if token else {}),
        **({"ResourceStatusReason": reason} if reason else {}),
    }


def outcome(aws: Aws, *events: dict[str, Any]) -> UpdateOutcome | None:
    answer = {"StackEvents": list(reversed(events))}
    aws.answers("cloudformation", "describe_stack_events", answer)
    return Stack("fraudloop-dev-serving", STACK_ROLE).outcome("deploy-1", NOON)


def at(second: int) -> datetime:
    return NOON + timedelta(seconds=second)


BEGUN = event(0, "UPDATE_IN_PROGRESS", token="deploy-1")


def test_an_update_that_ended_well(aws: Aws) -> None:
    ended = outcome(aws, BEGUN, event(9, "UPDATE_COMPLETE", token="deploy-1"))
    assert ended == UpdateOutcome("UPDATE_COMPLETE", "", at(9))
    assert not ended.rolled_back


def test_the_reason_of_a_roll_back_is_the_first_that_failed_and_no_consequence(aws: Aws) -> None:
    ended = outcome(
        aws,
        BEGUN,
        event(1, "UPDATE_FAILED", "other", reason="Resource update cancelled"),
        event(2, "UPDATE_FAILED", "endpoint", reason="the alarm is on"),
        event(3, "UPDATE_FAILED", "scaling", reason="no such endpoint"),
        event(4, "UPDATE_ROLLBACK_IN_PROGRESS"),
        event(9, "UPDATE_ROLLBACK_COMPLETE"),
    )
    assert ended == UpdateOutcome("UPDATE_ROLLBACK_COMPLETE", "Endpoint: the alarm is on", at(9))
    assert ended.rolled_back


def test_an_update_that_a_person_cancelled_was_rolled_back(aws: Aws) -> None:
    ended = outcome(
        aws,
        BEGUN,
        event(4, "UPDATE_ROLLBACK_IN_PROGRESS", token="by-hand", reason="User Initiated"),
        event(4, "UPDATE_FAILED", "endpoint", reason="Resource update cancelled"),
        event(9, "UPDATE_ROLLBACK_COMPLETE", token="by-hand"),
    )
    assert ended == UpdateOutcome("UPDATE_ROLLBACK_COMPLETE", "", at(9), is_cancelled=True)


def test_a_cancelled_update_whose_way_back_a_person_continued_is_still_cancelled(aws: Aws) -> None:
    """As AWS might answer the endpoint's way back, while its update goes on."""
    busy = 'Cannot update in-progress endpoint "arn"'
    ended = outcome(
        aws,
        BEGUN,
        event(4, "UPDATE_ROLLBACK_IN_PROGRESS", token="by-hand", reason="User Initiated"),
        event(5, "UPDATE_FAILED", "endpoint", reason=busy),
        event(6, "UPDATE_ROLLBACK_FAILED"),
        event(7, "UPDATE_ROLLBACK_IN_PROGRESS", token="again", reason="User Initiated"),
        event(9, "UPDATE_ROLLBACK_COMPLETE", token="again"),
    )
    # Of the two that ended it, the first one: what followed is another operation.
    assert ended == UpdateOutcome("UPDATE_ROLLBACK_FAILED", f"Endpoint: {busy}", at(6), True)


def test_a_roll_back_that_a_person_continued_was_not_cancelled(aws: Aws) -> None:
    ended = outcome(
        aws,
        BEGUN,
        event(2, "UPDATE_FAILED", "endpoint", reason="the alarm is on"),
        event(4, "UPDATE_ROLLBACK_IN_PROGRESS", reason="The following resource(s) failed"),
        event(6, "UPDATE_ROLLBACK_FAILED"),
        event(7, "UPDATE_ROLLBACK_IN_PROGRESS", token="again", reason="User Initiated"),
        event(9, "UPDATE_ROLLBACK_COMPLETE", token="again"),
    )
    assert ended is not None
    assert (ended.reason, ended.is_cancelled) == ("Endpoint: the alarm is on", False)


def test_what_happened_to_the_stack_afterwards_does_not_count(aws: Aws) -> None:
    ended = outcome(
        aws,
        BEGUN,
        event(5, "UPDATE_COMPLETE"),
        event(6, "UPDATE_IN_PROGRESS", token="of-the-cdk"),
        event(7, "UPDATE_FAILED", "topic", reason="no"),
        event(9, "UPDATE_ROLLBACK_COMPLETE", token="of-the-cdk"),
    )
    assert ended == UpdateOutcome("UPDATE_COMPLETE", "", at(5))


def test_an_update_that_never_began_has_no_outcome(aws: Aws) -> None:
    others = (event(1, "UPDATE_IN_PROGRESS", token="other"), event(2, "UPDATE_ROLLBACK_COMPLETE"))
    assert outcome(aws, *others) is None


def test_events_from_before_the_deployment_are_not_read(aws: Aws) -> None:
    assert outcome(aws, event(-3600, "UPDATE_IN_PROGRESS", token="deploy-1")) is None


# What became of the message.


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DeploymentSettings.__slots__:
        value = getattr(SETTINGS, name)
        monkeypatch.setenv(
            name.upper(), " ".join(value) if isinstance(value, frozenset) else str(value)
        )
    monkeypatch.setenv("FIRST_PAUSE_SECONDS", "0")


def described(status: str) -> dict[str, Any]:
    stack = {"StackName": "serving", "StackStatus": status, "CreationTime": NOON}
    return {"Stacks": [stack]}


@pytest.mark.usefixtures("environment")
def test_a_busy_stack_gives_the_message_back_and_is_no_error(aws: Aws) -> None:
    aws.answers("cloudformation", "describe_stacks", described("UPDATE_IN_PROGRESS"))
    aws.answers("sqs", "change_message_visibility", {})
    answer = handler.handler(message(), Invocation(remaining=[10_000]))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-1"}]}
    change = aws.request("ChangeMessageVisibility")
    assert change["VisibilityTimeout"] == handler.BUSY_SECONDS
    assert (change["QueueUrl"], change["ReceiptHandle"]) == (SETTINGS.queue_url, "receipt-1")


@pytest.mark.usefixtures("environment")
def test_a_busy_stack_is_waited_for_while_the_invocation_lasts(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("deploy_model.stack.time.sleep", pauses.append)
    for status in ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"):
        aws.answers("cloudformation", "describe_stacks", described(status))
    stack = Stack("serving", STACK_ROLE)
    assert stack.status_at_rest(Invocation()) == "UPDATE_COMPLETE"
    assert len(pauses) == 2


@pytest.mark.usefixtures("environment")
def test_an_error_gives_the_message_back_for_a_minute_and_is_raised(
    aws: Aws, invocation: Invocation
) -> None:
    aws.refuses("cloudformation", "describe_stacks", "AccessDenied", "no")
    aws.answers("sqs", "change_message_visibility", {})
    with pytest.raises(Exception, match="AccessDenied"):
        handler.handler(message(), invocation)
    assert aws.request("ChangeMessageVisibility")["VisibilityTimeout"] == handler.RETRY_SECONDS


@pytest.mark.usefixtures("environment")
def test_what_is_no_event_is_an_error(aws: Aws, invocation: Invocation) -> None:
    aws.answers("sqs", "change_message_visibility", {})
    with pytest.raises(json.JSONDecodeError):
        handler.handler(message("no JSON"), invocation)


def test_a_missing_setting_is_named(
    invocation: Invocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in DeploymentSettings.__slots__:
        monkeypatch.setenv(name.upper(), "x")
    monkeypatch.delenv("STACK_NAME")
    with pytest.raises(ValueError, match="STACK_NAME must be set, got none"):
        handler.handler(message(), invocation)


def test_an_update_of_somebody_else_that_began_in_between_is_a_busy_stack(aws: Aws) -> None:
    aws.answers("cloudformation", "describe_stacks", described("UPDATE_COMPLETE"))
    text = "Stack is in UPDATE_IN_PROGRESS state and can not be updated."
    aws.refuses("cloudformation", "update_stack", "ValidationError", text)
    with pytest.raises(StackBusyError, match="is being updated"):
        Stack("serving", STACK_ROLE).update("token")


def test_the_update_changes_nothing_but_what_the_parameters_say(aws: Aws) -> None:
    found = described("UPDATE_COMPLETE")
    found["Stacks"][0]["Parameters"] = [{"ParameterKey": "Approved", "ParameterValue": "/a"}]
    aws.answers("cloudformation", "describe_stacks", found)
    aws.answers("cloudformation", "update_stack", {"StackId": "id"})
    assert Stack("serving", STACK_ROLE).update("token") is True
    request = aws.request("UpdateStack")
    assert request["RoleARN"] == STACK_ROLE
    assert request["UsePreviousTemplate"] is True
    assert request["Parameters"] == [{"ParameterKey": "Approved", "UsePreviousValue": True}]
    assert request["ClientRequestToken"] == "token"
    _allow, deny = json.loads(request["StackPolicyBody"])["Statement"]
    assert deny["Action"] == ["Update:Replace", "Update:Delete"]


@pytest.mark.parametrize("value", ["none", "[]", '{"state": "InService"}', "no JSON"])
def test_a_state_that_is_none_of_ours_is_no_deployment(aws: Aws, value: str) -> None:
    aws.answers("ssm", "get_parameters", {"Parameters": [{"Value": value}]})
    assert Parameters("/state").last_deployment() is None


# Whose doing a roll-back was, and what follows.


def test_pauses_become_longer_and_end_growing() -> None:
    first = timedelta(minutes=15)
    pauses = [pause(Cause.AWS, attempts, first) for attempts in (1, 2, 3, 5, 6, 7, 1000)]
    assert [each / first for each in pauses] == [1, 2, 4, 16, 24, 24, 24]
    assert pause(Cause.OLD_FLEET, 2, first) == 2 * first
    assert pause(Cause.CANCELLED, 1, first) == timedelta(days=1)


class Histories(VersionAlarms):
    """Alarms by name, each with the seconds after noon at which it went on and off again."""

    def __init__(self, **on: tuple[int, int]) -> None:
        self._on = on

    def _transitions(self, kind: VersionAlarm, package: str) -> Iterator[tuple[datetime, str]]:
        name = f"{kind}_{package.rpartition('/')[2]}"
        for moment, state in zip(self._on.get(name, ()), ("ALARM", "OK"), strict=False):
            yield at(moment), state


@pytest.mark.parametrize(
    ("on", "is_old"),
    [
        # 1 served, 2 was deployed from second 100 to 200.
        ({"Errors_2": (120, 300), "Errors_1": (50, 300)}, True),
        ({"Latency_2": (120, 300), "Latency_1": (50, 300)}, True),
        ({"Errors_2": (120, 300), "FailedAnswers_1": (130, 140)}, True),
        # What was over, or came when there was a new version, says nothing of the old one.
        ({"Errors_2": (120, 300), "Errors_1": (50, 90)}, False),
        ({"Errors_2": (120, 300), "Errors_1": (110, 300)}, False),
        ({"Latency_2": (120, 300), "FailedAnswers_1": (130, 140)}, False),
        ({"Latency_2": (120, 300), "Errors_1": (50, 300)}, False),
        # The new one failed by its own count, whatever else there was.
        (
            {"Errors_2": (120, 300), "Errors_1": (50, 300), "FailedAnswers_2": (150, 160)},
            False,
        ),
        ({"Slower_2": (150, 160), "Latency_2": (120, 300), "Latency_1": (50, 300)}, False),
        # None went off by then.
        ({"Errors_2": (250, 300), "Errors_1": (50, 300)}, False),
        ({}, False),
    ],
)
def test_the_old_fleet_is_blamed_for_what_it_alone_can_have_done(
    on: dict[str, tuple[int, int]], is_old: bool
) -> None:
    alarms = Histories(**on)
    assert alarms.only_old_fleet("arn:fraud/2", "arn:fraud/1", at(100), at(200)) is is_old
