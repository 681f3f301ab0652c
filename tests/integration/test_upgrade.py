"""An environment of the last release under traffic, and this working tree deployed over it.

The release's own code runs until CloudFormation has put this tree's in its place.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from local_aws.server import EmbeddedAws, free_port
from operations.data import lake
from operations.demo.traffic import Traffic, captured
from operations.deployment import provisioning, toolchain
from operations.deployment.assembly import Stack, stacks
from operations.deployment.status import stack_states
from operations.models import approvals, registry
from operations.serving.scoring import Scorer, requests_of
from operations.target import Target, connect
from pipeline_code.features.batch import compute
from pipeline_code.stream.producing import Entry

from .releasing import RELEASES, assembly_of, register_package
from .streams import Crowd, crowd, send

pytestmark = pytest.mark.end_to_end

# Of requests for what is no event.
FIRST = 2 * 10**15
# What holds data, or is known by its name elsewhere.
LASTING = {
    "AWS::ECR::Repository",
    "AWS::Glue::Database",
    "AWS::Glue::Table",
    "AWS::KMS::Key",
    "AWS::Kinesis::Stream",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::SSM::Parameter",
    "AWS::SageMaker::Endpoint",
    "AWS::SageMaker::FeatureGroup",
    "AWS::SageMaker::ModelPackageGroup",
}


def later(some: Crowd) -> pa.Table:
    """A transaction of each customer a day after all that has happened; it is no event."""
    newest = pc.max(some.stream.fraud_reports["report_time"]).as_py() + timedelta(days=1)
    rows = [
        {
            "transaction_id": FIRST + number,
            "event_time": newest,
            "customer_id": customer,
            "terminal_id": some.terminals[number % len(some.terminals)],
            "amount_minor": 1000 + number,
        }
        for number, customer in enumerate(some.customers)
    ]
    return pa.Table.from_pylist(rows, schema=some.stream.transactions.schema)


class Sending:
    """Events that go onto the stream, a few at a time, until all are there."""

    def __init__(self, target: Target, entries: list[Entry]) -> None:
        self._target, self._entries = target, list(entries)
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> "Sending":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._hurry.set()
        self._thread.join()
        assert not self._entries

    def _send(self) -> None:
        while self._entries:
            some, self._entries = self._entries[:3], self._entries[3:]
            send(self._target, some)
            self._hurry.wait(0.5)


@dataclass
class Upgrade:
    """What was there before, and what happened meanwhile."""

    release: str
    state: Path
    old: list[Stack]
    new: list[Stack]
    package: str = ""
    crowd: Crowd = field(default_factory=lambda: crowd(transactions=300, customers=8))
    before: dict[str, str] = field(default_factory=dict)
    traffic: Traffic | None = None

    @property
    def target(self) -> Target:
        """A new one: each reads outputs once."""
        return connect("local", profile=None, region=None, state=self.state)

    def lasting(self) -> dict[str, str]:
        """Physical ID of all that lasts, by stack and logical ID."""
        cloudformation, found = self.target.client("cloudformation"), {}
        for stack in self.old:
            resources = cloudformation.describe_stack_resources(StackName=stack.name)
            for each in resources["StackResources"]:
                if each["ResourceType"] in LASTING:
                    name = f"{stack.key}/{each['LogicalResourceId']}"
                    found[name] = each["PhysicalResourceId"]
        return found

    def play(self, new: Path) -> None:
        """Deploy the new assembly under traffic, as the command does."""
        target = self.target
        self.package = register_package(self.release, target)
        approvals.approve(target, self.package, reason="test: of the release")
        registry.await_deployment(target, self.package, timeout_seconds=120)
        self.before = self.lasting()
        entries = self.crowd.entries()
        first = len(entries) // 3
        send(target, entries[:first])
        asked, scorer = list(requests_of(later(self.crowd))), Scorer(target)
        _until(lambda: not any(scorer.ask(each)["degraded"] for each in asked))
        with (
            Traffic(target, asked, per_second=10.0) as self.traffic,
            Sending(target, entries[first:]),
        ):
            self._answers(20)
            provisioning.deploy(self.target, new)
            self._at_rest()
            self._answers(20)

    def _answers(self, count: int) -> None:
        """More of them."""
        assert self.traffic is not None
        scores = self.traffic.scored.scores
        wanted = len(scores) + count
        _until(lambda: len(scores) >= wanted)

    def _at_rest(self) -> None:
        """What the deployment has brought about is over: nothing is being done to anything."""
        target = self.target
        name, sagemaker = target.output("EndpointName"), target.client("sagemaker")
        _until(
            lambda: (
                sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"
                and not any("PROGRESS" in state for state in stack_states(target).values())
            )
        )


def _until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.3)


@pytest.fixture(scope="module", params=sorted(path.name for path in RELEASES.iterdir()))
def upgrade(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Upgrade]:
    folder, release = tmp_path_factory.mktemp("upgrade"), request.param
    old, new = assembly_of(release, folder / "old"), folder / "new"
    with (
        ThreadPoolExecutor(1) as pool,
        EmbeddedAws(folder / "state", free_port()) as aws,
    ):
        synthesis = pool.submit(toolchain.synthesize, "local", new)
        made = Upgrade(release=release, state=aws.state_dir, old=stacks(old), new=[])
        toolchain.bootstrap(made.target)
        toolchain.deploy(made.target, old)
        synthesis.result()
        made.new = stacks(new)
        made.play(new)
        yield made


def test_the_releases_own_code_ran(upgrade: Upgrade) -> None:
    """Else this tree's would have been tested against itself."""
    tag = (
        upgrade.target.client("sagemaker")
        .describe_model_package(ModelPackageName=upgrade.package)["InferenceSpecification"][
            "Containers"
        ][0]["Image"]
        .rpartition(":")[2]
    )
    assert (upgrade.state / "images" / tag / "pipeline_code" / "serve").is_dir()


def test_every_stack_was_updated_and_none_rolled_back(upgrade: Upgrade) -> None:
    states = stack_states(upgrade.target)
    assert set(states.values()) <= {"CREATE_COMPLETE", "UPDATE_COMPLETE"}, states
    assert states[upgrade.target.stack_name("serving")] == "UPDATE_COMPLETE"


def test_every_request_was_answered_once_and_in_full(upgrade: Upgrade) -> None:
    traffic = upgrade.traffic
    assert traffic is not None
    assert traffic.scored.failures == []
    reasons = [
        reason
        for each in traffic.asked
        if each.answer is not None
        for reason in each.answer["degraded_reasons"]
    ]
    assert Counter(reasons) == {}
    assert set(traffic.scored.model_versions) == {upgrade.package}
    assert set(captured(upgrade.target, traffic).values()) == {1}
    assert registry.deployed_package(upgrade.target) == upgrade.package


def test_nothing_that_holds_data_was_replaced_or_lost(upgrade: Upgrade) -> None:
    after = upgrade.lasting()
    assert {name: after.get(name) for name in upgrade.before} == upgrade.before


def test_no_export_that_is_imported_goes_or_changes(upgrade: Upgrade) -> None:
    """CloudFormation refuses that, while the stack that imports it is still the release's."""
    imported = {name for stack in upgrade.old for name in _named(stack.template, "Fn::ImportValue")}
    assert imported
    before, after = (_exports(each) for each in (upgrade.old, upgrade.new))
    assert {name: after.get(name) for name in imported} == {name: before[name] for name in imported}


def _exports(of: list[Stack]) -> dict[str, Any]:
    """The value of each export, as its template has it."""
    return {
        each["Export"]["Name"]: each["Value"]
        for stack in of
        for each in stack.template.get("Outputs", {}).values()
        if "Export" in each
    }


def _named(template: Any, function: str) -> Iterator[str]:
    if isinstance(template, dict):
        for name, value in template.items():
            if name == function:
                yield str(value)
            else:
                yield from _named(value, function)
    elif isinstance(template, list):
        for value in template:
            yield from _named(value, function)


@pytest.mark.parametrize("kind", ["transactions", "fraud_reports"])
def test_every_event_landed_once(upgrade: Upgrade, kind: str) -> None:
    sent = getattr(upgrade.crowd.stream, kind)
    wanted = Counter(sent["transaction_id"].to_pylist())
    _until(lambda: _landed(upgrade, kind).total() >= wanted.total())
    assert _landed(upgrade, kind) == wanted


def _landed(upgrade: Upgrade, kind: str) -> Counter[int]:
    table = f"{upgrade.target.output('GlueDatabaseName')}.{kind}"
    sql = f"SELECT transaction_id FROM {table} WHERE customer_id >= 9000000"  # noqa: S608
    return Counter(int(row[0]) for row in lake.query(upgrade.target, sql).rows)


def test_the_features_are_those_of_every_event_once(upgrade: Upgrade) -> None:
    """What was folded by the release's consumers and what was by this tree's: batch's features."""
    events, scorer = upgrade.crowd.stream, Scorer(upgrade.target)
    asked = later(upgrade.crowd)
    every = pa.concat_tables([events.transactions, asked])
    wanted = compute(
        every,
        events.fraud_reports,
        wanted=np.arange(len(every)) >= len(events.transactions),
    )
    by_id = {row["transaction_id"]: row for row in wanted.to_pylist()}

    def is_batchs() -> bool:
        return all(
            by_id[request["transaction_id"]].get(name, value) == value
            for request in requests_of(asked)
            for name, value in scorer.ask(request)["features"].items()
        )

    _until(is_batchs)  # the last events may still be on their way
