"""A world of packages and a stack in memory, and messages that come in any order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy_model.deployer import Deployer
from deploy_model.ledger import Deployment
from deploy_model.settings import DeploymentSettings
from deploy_model.stack import StackBusyError, UpdateOutcome
from served_model import ServedModel

from pipeline_code.contracts.packages import NO_MODEL, package_of, spelled

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
    feature_schema_versions=frozenset({"v2", "v3"}),
    capture_contract="1",
    first_pause=timedelta(0),
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


# How an update ended, from the stack's events.

NOON = datetime(2018, 4, 1, 12, tzinfo=UTC)


def message(body: str = "{}") -> dict[str, Any]:
    record = {"messageId": "message-1", "receiptHandle": "receipt-1", "body": body}
    return {"Records": [record]}


# Whatever the order of what happens.


class World:
    """Registry, parameters, stack and endpoint in memory, at the interfaces that Deployer uses.

    A fake, for thousands of histories; tests/.../test_deployments.py plays some on services.
    """

    def __init__(
        self, broken: Sequence[int], misfits: Sequence[int], hindrances: Sequence[str] = ()
    ) -> None:
        self.broken, self.misfits = set(broken), set(misfits)
        # What keeps one update after the other from going on; nothing if it is empty.
        self.hindrances = list(hindrances)
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

    def only_old_fleet(self, *_of: object) -> bool:
        return True

    def settle(self) -> None:
        """The update that is under way ends, as its model lets it."""
        if self.under_way is None:
            return
        (token, target), self.under_way = self.under_way, None
        if hindrance := self.hindrances.pop(0) if self.hindrances else "":
            self.status = "UPDATE_ROLLBACK_COMPLETE"
            self.ended[token] = UpdateOutcome(self.status, f"Endpoint: {hindrance}", self.clock)
            return
        models = (target.package, target.challenger)
        broken = tuple(f"/{number}" for number in self.broken)
        # What is not told a digest does not start.
        if DIGEST not in target.spelled or any(model.endswith(broken) for model in models):
            self.status = "UPDATE_ROLLBACK_COMPLETE"
            self.ended[token] = UpdateOutcome(self.status, "Endpoint: broken", self.clock)
        else:
            self.status, self.endpoint = "UPDATE_COMPLETE", target
            self.served.add(target.package)
            self.ended[token] = UpdateOutcome(self.status, "", self.clock)


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
            Playing(SETTINGS, world, world, world, world).reconcile(message, None, None)
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
