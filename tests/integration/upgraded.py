"""An environment of the last release under traffic, and this working tree deployed over it."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from local_aws.server import EmbeddedAws, free_port
from operations.demo.traffic import Traffic
from operations.deployment import provisioning, toolchain
from operations.deployment.assembly import Stack, stacks
from operations.deployment.status import stack_states
from operations.models import approvals, registry
from operations.serving.scoring import Scorer, requests_of
from operations.target import Target, connect
from pipeline_code.stream.producing import Entry

from .releasing import assembly_of, register_package
from .streams import Crowd, crowd, send

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
        until(lambda: not any(scorer.ask(each)["degraded"] for each in asked))
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
        until(lambda: len(scores) >= wanted)

    def _at_rest(self) -> None:
        """What the deployment has brought about is over: nothing is being done to anything."""
        target = self.target
        name, sagemaker = target.output("EndpointName"), target.client("sagemaker")
        until(
            lambda: (
                sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"
                and not any("PROGRESS" in state for state in stack_states(target).values())
            )
        )


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.3)


@contextmanager
def upgraded(release: str, folder: Path) -> Iterator[Upgrade]:
    """A release that was deployed and upgraded to the working tree; it still runs."""
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
