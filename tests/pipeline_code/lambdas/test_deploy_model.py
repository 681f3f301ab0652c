"""What the function that deploys model packages decides, whatever comes when."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from deploy_model import handler
from deploy_model.deployer import Deployer
from deploy_model.fit import misfit
from deploy_model.ledger import Deployment, Parameters
from deploy_model.settings import DeploymentSettings
from deploy_model.stack import Stack, StackBusyError, UpdateOutcome
from hypothesis import given
from hypothesis import strategies as st
from served_model import ServedModel

from pipeline_code.contracts.packages import NO_MODEL, package_of, spelled

from .conftest import Aws, Invocation

REPOSITORY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/fraudloop"
STACK_ROLE = "arn:aws:iam::123456789012:role/stack"
SETTINGS = DeploymentSettings(
    queue_url="https://sqs.eu-west-1.amazonaws.com/123456789012/deployments.fifo",
    stack_name="fraudloop-dev-serving",
    stack_role_arn=STACK_ROLE,
    endpoint_name="fraudloop-dev-fraud",
    model_package_group_name="fraud",
    approved_parameter="/approved",
    challenger_parameter="/challenger",
    state_parameter="/state",
    artifacts_bucket="artifacts",
    metric_namespace="fraudloop/dev",
    image_repository=REPOSITORY,
    feature_schema_version="v2",
    capture_contract="1",
)
RECORDED = {"feature_schema_version": "v2", "capture_contract": "1"}
DIGEST = "0d" * 32
PINNED = {"REVIEW_THRESHOLD": "0.25", "DECLINE_THRESHOLD": "none", "MODEL_DIGEST": DIGEST}


def package(
    image: str = f"{REPOSITORY}:0123abcd", recorded: dict[str, str] | None = None
) -> dict[str, Any]:
    return {
        "ModelPackageArn": "arn:fraud/2",
        "InferenceSpecification": {
            "Containers": [{"Image": image, "ModelDataUrl": "s3://a/b", "Environment": PINNED}]
        },
        "CustomerMetadataProperties": RECORDED if recorded is None else recorded,
    }


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


@pytest.mark.parametrize("name", RECORDED)
def test_another_schema_or_contract_does_not_fit(name: str) -> None:
    reason = misfit(package(recorded=RECORDED | {name: "other"}), SETTINGS)
    assert reason == f"{name} must be {RECORDED[name]}, got other; train again"


@pytest.mark.parametrize("name", RECORDED)
def test_a_package_that_does_not_say_has_to_be_trained_again(name: str) -> None:
    recorded = {key: value for key, value in RECORDED.items() if key != name}
    reason = misfit(package(recorded=recorded), SETTINGS)
    assert reason is not None
    assert reason.startswith(f"{name} must be {RECORDED[name]}, got a package that does not say")
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


# How an update ended, from the stack's events.

NOON = datetime(2018, 4, 1, 12, tzinfo=UTC)
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


BEGUN = event(0, "UPDATE_IN_PROGRESS", token="deploy-1")


def test_an_update_that_ended_well(aws: Aws) -> None:
    ended = outcome(aws, BEGUN, event(9, "UPDATE_COMPLETE", token="deploy-1"))
    assert ended == UpdateOutcome("UPDATE_COMPLETE", "")
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
    assert ended == UpdateOutcome("UPDATE_ROLLBACK_COMPLETE", "Endpoint: the alarm is on")
    assert ended.rolled_back


def test_an_update_that_a_person_cancelled_was_rolled_back(aws: Aws) -> None:
    cancelled = event(9, "UPDATE_ROLLBACK_COMPLETE", token="by-hand")
    assert outcome(aws, BEGUN, cancelled) == UpdateOutcome("UPDATE_ROLLBACK_COMPLETE", "")


def test_what_happened_to_the_stack_afterwards_does_not_count(aws: Aws) -> None:
    ended = outcome(
        aws,
        BEGUN,
        event(5, "UPDATE_COMPLETE"),
        event(6, "UPDATE_IN_PROGRESS", token="of-the-cdk"),
        event(7, "UPDATE_FAILED", "topic", reason="no"),
        event(9, "UPDATE_ROLLBACK_COMPLETE", token="of-the-cdk"),
    )
    assert ended == UpdateOutcome("UPDATE_COMPLETE", "")


def test_an_update_that_never_began_has_no_outcome(aws: Aws) -> None:
    others = (event(1, "UPDATE_IN_PROGRESS", token="other"), event(2, "UPDATE_ROLLBACK_COMPLETE"))
    assert outcome(aws, *others) is None


def test_events_from_before_the_deployment_are_not_read(aws: Aws) -> None:
    assert outcome(aws, event(-3600, "UPDATE_IN_PROGRESS", token="deploy-1")) is None


# What became of the message.


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DeploymentSettings.__slots__:
        monkeypatch.setenv(name.upper(), getattr(SETTINGS, name))


def message(body: str = "{}") -> dict[str, Any]:
    record = {"messageId": "message-1", "receiptHandle": "receipt-1", "body": body}
    return {"Records": [record]}


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


# Whatever the order of what happens.


class World:
    """Registry, parameters, stack and endpoint in memory, at the interfaces that Deployer uses.

    A fake, for thousands of histories; tests/.../test_deployments.py plays some on services.
    """

    def __init__(self, broken: Sequence[int], misfits: Sequence[int]) -> None:
        self.broken, self.misfits = set(broken), set(misfits)
        self.clock = NOON
        self.found: dict[str, dict[str, Any]] = {}
        self.values = {"/approved": NO_MODEL, "/challenger": NO_MODEL}
        self.last: Deployment | None = None
        self.endpoint: ServedModel | None = None
        self.status = "CREATE_COMPLETE"
        self.under_way: tuple[str, ServedModel] | None = None
        self.ended: dict[str, UpdateOutcome] = {}
        self.named: list[tuple[str, bool]] = []
        self.served: set[str] = set()
        self.by_people: dict[str, str] = {}

    # The registry.

    def arn(self, number: int) -> str:
        return f"arn:aws:sagemaker:eu-west-1:123456789012:model-package/fraud/{number}"

    def decide(self, number: int, status: str) -> None:
        self.clock += timedelta(minutes=1)
        recorded = {"capture_contract": "0"} if number in self.misfits else {}
        at = self.clock.isoformat().replace("+00:00", "Z")
        self.found[self.arn(number)] = package(
            recorded=RECORDED | recorded | {"decision_001": f"{at} {status} by arn: so"}
        ) | {
            "ModelPackageArn": self.arn(number),
            "ModelPackageVersion": number,
            "ModelApprovalStatus": status,
            "CreationTime": NOON,
        }

    def find(self, arn: str) -> dict[str, Any] | None:
        return self.found.get(arn)

    def approved(self, _also: str | None = None) -> list[dict[str, Any]]:
        approved = [p for p in self.found.values() if p["ModelApprovalStatus"] == "Approved"]
        return sorted(approved, key=decided, reverse=True)

    def reject(self, rejected: dict[str, Any], _reason: str) -> None:
        self.decide(rejected["ModelPackageVersion"], "Rejected")

    # Parameters.

    def challenge(self, number: int) -> None:
        """As `fraudloop shadow` does; 0 for nobody."""
        arn = self.arn(number)
        known = self.found.get(arn)
        value = arn if known is None else spelled(known)
        self.values["/challenger"] = value if number else NO_MODEL

    def serving(self, number: int) -> ServedModel:
        """An endpoint that serves a package, and nothing in its shadow."""
        arn = self.arn(number)
        return ServedModel(package=arn, spelled=spelled(self.found[arn]))

    def value(self, name: str) -> str:
        return self.values[name]

    def put(self, name: str, value: str) -> None:
        self.values[name] = value
        if name == "/approved":
            self.named.append((value, self.endpoint is not None))

    def last_deployment(self) -> Deployment | None:
        return self.last

    def record(self, deployment: Deployment) -> None:
        self.last = deployment

    # The stack.

    name = "serving"

    def status_at_rest(self, _context: Any) -> str:
        if self.under_way:
            raise StackBusyError("busy")
        return self.status

    def protect(self) -> None:
        pass

    def update(self, token: str) -> bool:
        now = self.endpoint or ServedModel()
        challenger = package_of(self.values["/challenger"])
        value = self.values["/approved"]
        target = ServedModel(package=package_of(value), spelled=value, challenger=challenger)
        if target == now:
            return False
        self.under_way = (token, target)
        return True

    def outcome(self, token: str, _since: datetime) -> UpdateOutcome | None:
        return self.ended.get(token)

    def settle(self) -> None:
        """The update that is under way ends, as its model lets it."""
        if self.under_way is None:
            return
        (token, target), self.under_way = self.under_way, None
        models = (target.package, target.challenger)
        broken = tuple(f"/{number}" for number in self.broken)
        # What is not told a digest does not start.
        if DIGEST not in target.spelled or any(model.endswith(broken) for model in models):
            self.status = "UPDATE_ROLLBACK_COMPLETE"
            self.ended[token] = UpdateOutcome(self.status, "Endpoint: broken")
        else:
            self.status, self.endpoint = "UPDATE_COMPLETE", target
            self.served.add(target.package)
            self.ended[token] = UpdateOutcome(self.status, "")


def decided(found: dict[str, Any]) -> str:
    text: str = found["CustomerMetadataProperties"]["decision_001"]
    return text


@dataclass(frozen=True, slots=True)
class Playing(Deployer):
    """The deployer in a world in memory."""

    def served(self) -> ServedModel | None:
        world: Any = self.stack
        endpoint: ServedModel | None = world.endpoint
        return endpoint


@dataclass
class Play:
    """Messages wait; each is handled when it pleases."""

    world: World
    waiting: list[str] = field(default_factory=list)
    count: int = 0

    def event(self) -> None:
        self.count += 1
        self.waiting.append(f"message-{self.count}")

    def deliver(self, index: int, *, twice: bool) -> None:
        """One of those that wait, whichever; it stays if the stack is busy, or comes twice."""
        if not self.waiting:
            return
        message = self.waiting[index % len(self.waiting)]
        world: Any = self.world
        try:
            Playing(SETTINGS, world, world, world).reconcile(message, None, None)
        except StackBusyError:
            return
        if not twice:
            self.waiting.remove(message)

    def end(self) -> None:
        """All that waits comes, and what it starts ends; nothing more happens."""
        for _ in range(40):
            self.world.settle()
            self.event()
            while self.waiting:
                self.deliver(0, twice=False)
                self.world.settle()


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


def play(world: World, actions: Sequence[tuple[str, int]]) -> None:
    played = Play(world)
    for action, number in actions:
        if action in {"approve", "reject"}:
            status = "Approved" if action == "approve" else "Rejected"
            world.decide(number, status)
            world.by_people[world.arn(number)] = status
            played.event()
        elif action == "register" and world.arn(number) not in world.found:
            world.decide(number, "PendingManualApproval")
        elif action == "challenge":
            world.challenge(number)
            played.event()
        elif action == "tamper":  # by hand, and no event tells of it
            world.values["/approved"] = world.arn(number) if number else NO_MODEL
        elif action == "lose" and played.waiting:
            played.waiting.pop(number % len(played.waiting))
        elif action == "settle":
            world.settle()
            played.event()
        elif action.startswith("deliver"):
            played.deliver(number, twice=action == "deliver twice")
    played.end()


@pytest.fixture(autouse=True)
def without_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The properties' packages have none, but copying asks for a client first."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


@given(
    actions=st.lists(ACTIONS, max_size=25),
    broken=st.sets(st.integers(1, 4), max_size=2),
    misfits=st.sets(st.integers(1, 4), max_size=1),
)
def test_in_the_end_the_newest_approval_that_can_be_served_is(
    actions: list[tuple[str, int]], broken: set[int], misfits: set[int]
) -> None:
    world = World(sorted(broken), sorted(misfits))
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


@given(actions=st.lists(ACTIONS, max_size=25))
def test_without_anything_broken_nothing_is_rejected_but_by_people(
    actions: list[tuple[str, int]],
) -> None:
    world = World([], [])
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
    world.ended[world.last.update] = UpdateOutcome("UPDATE_ROLLBACK_FAILED", "Endpoint: gone")
    played.event()
    played.deliver(0, twice=False)
    assert world.last.state == "RolledBack"
    assert world.found[world.arn(1)]["ModelApprovalStatus"] == "Rejected"


def test_a_stack_that_is_being_deleted_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    world: Any = World([], [])
    world.decide(1, "Approved")
    world.status = "DELETE_IN_PROGRESS"
    done = Playing(SETTINGS, world, world, world).reconcile("message", None, None)
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
    done = Playing(SETTINGS, world, world, world).reconcile("message", None, None)
    assert (
        done == f"{world.arn(1)} is not approved, but no other package is, and it goes on serving"
    )
    assert "FailedDeployments" in capsys.readouterr().out
    assert world.endpoint.package == package_of(world.values["/approved"]) == world.arn(1)


def test_a_stack_that_has_nothing_to_update_though_its_endpoint_is_another_is_said() -> None:
    world: Any = World([], [])
    world.decide(1, "Approved")
    world.update = lambda _token: False
    done = Playing(SETTINGS, world, world, world).reconcile("message", None, None)
    assert "has nothing to update, yet its endpoint serves none" in done
    assert world.last.state == "Failed"


def test_an_update_that_somebody_else_made_is_a_success() -> None:
    world: Any = World([], [])
    world.decide(1, "Approved")

    def made_meanwhile(_token: str) -> bool:
        world.endpoint = world.serving(1)
        return False

    world.update = made_meanwhile
    done = Playing(SETTINGS, world, world, world).reconcile("message", None, None)
    assert done == "the stack is up to date"
    assert replace(world.last, since="", begun="", update="").state == "InService"
