"""A feature is added, one changed and one removed under traffic: v2 becomes v3, and back.

It begins where test_upgrade.py ends. The code of v3 is a copy of the working tree with a second
version declared; its own command deploys, trains and approves it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from local_aws.server import EmbeddedAws
from operations.data import lake
from operations.data.stream import EventStream
from operations.demo.story import Scale, Story, simulated
from operations.demo.traffic import Traffic
from operations.models import registry
from operations.serving.scoring import requests_of
from operations.target import PROJECT_ROOT, Target, connect
from pipeline_code.common.lake import Landing, write
from pipeline_code.contracts.schema import NEWEST_VERSION, SCHEMA_DIGESTS
from tests.pipeline_code.features.test_schema import followed

from .streams import users_file
from .upgraded import Upgrade

pytestmark = pytest.mark.end_to_end

TREE = (
    *("app.py", "cdk.json", "constructs", "local_aws", "operations", "package.json"),
    *("pipeline_code", "pyproject.toml", "stacks"),
)
REMOVED = (
    '    Feature("terminal_risk_2d", "reports per matured transaction", _risk(TERMINAL, 2 * DAY)'
)
CHANGED = '    Feature("customer_max_14d", "minor units", _largest(CUSTOMER, 14 * DAY)'
NEW = (
    '    Feature("customer_max_14d", "minor units", _largest(CUSTOMER, 10 * DAY)',
    '    Feature("customer_count_45d", "transactions", _count(CUSTOMER, _SPENT, 45 * DAY)',
)
# What each version's states have to be, and whether the store has them, of all entities.
STATES = """
import json, sys
import boto3, pyarrow.parquet as pq
from pipeline_code.contracts.schema import SCHEMA_VERSIONS
from pipeline_code.features.definitions import ENTITIES
from pipeline_code.features.events import Reports, Transactions
from pipeline_code.features.store.online_store import FeatureGroups, OnlineStore
from pipeline_code.features.owners import EventsByOwner
folder, pattern = sys.argv[1:]
transactions = Transactions.from_table(pq.read_table(f"{folder}/transactions.parquet"))
reports = Reports.from_table(pq.read_table(f"{folder}/fraud_reports.parquet"))
client, found = boto3.client("sagemaker-featurestore-runtime"), {}
for groups in FeatureGroups.of_every_version(pattern):
    for entity in ENTITIES:
        events = EventsByOwner(entity, transactions, reports, groups.version)
        stored = OnlineStore(client, groups).read(events.keys)
        wrong = [key.id for key in events.keys
                 if key not in stored or stored[key].text != events.state(key).encode()]
        found[f"{entity.name} {groups.version}"] = [len(events.keys), wrong[:5]]
print(json.dumps(found))
"""


class World:
    """A deployed environment, the code of v3, and events that come by the stream."""

    def __init__(self, aws: EmbeddedAws, folder: Path) -> None:
        self.aws, self.folder, self.tree = aws, folder, folder / "v3"
        self.story: Story = simulated(Scale(customers=60))
        self.sent: datetime = self.story.quiet
        self.version = ""

    @property
    def target(self) -> Target:
        """A new one: each reads outputs once."""
        return connect("local", profile=None, region=None, state=self.aws.state_dir)

    def begin(self) -> str:
        """Land what is known before the first event comes; ARN of what serves."""
        landing = self.folder / "landing"
        write(Landing(customers=self.story.customers, **self.history()), landing)
        lake.upload(self.target, landing)
        return self.served()

    def history(self) -> dict[str, pa.Table]:
        """What is known before the first event comes by the stream."""
        tables = self.story.stream.between(self.story.start, self.story.quiet).tables()
        return dict(zip(("transactions", "fraud_reports"), tables, strict=True))

    def declare(self) -> None:
        """Write the code of v3, as its own refusals say."""
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        self.tree.mkdir()
        for name in TREE:
            if (PROJECT_ROOT / name).is_dir():
                shutil.copytree(PROJECT_ROOT / name, self.tree / name, ignore=ignored)
            else:
                shutil.copy(PROJECT_ROOT / name, self.tree)
        (self.tree / "node_modules").symlink_to(PROJECT_ROOT / "node_modules")
        (self.tree / ".venv").symlink_to(sys.prefix)
        definitions = self.tree / "pipeline_code" / "features" / "definitions.py"
        text = definitions.read_text()
        assert f"{REMOVED}),\n" in text
        assert f"{CHANGED}),\n" in text
        draft = text.replace(f"{REMOVED}),\n", "").replace(f"{CHANGED}),\n", "")
        end = draft.index(")\n\n\n@cache\ndef features_of")
        lines = "".join(f"{line}),\n" for line in NEW)
        definitions.write_text(draft[:end] + lines + draft[end:])
        refused = self.python("-c", "from pipeline_code.features.schema import *; check_schema()")
        assert refused.returncode != 0
        self.version, digests = followed(refused.stderr)
        for line in (REMOVED, CHANGED):
            text = text.replace(f"{line}),\n", f'{line}, until="{self.version}"),\n')
        end = text.index(")\n\n\n@cache\ndef features_of")
        lines = "".join(f'{line}, since="{self.version}"),\n' for line in NEW)
        definitions.write_text(text[:end] + lines + text[end:])
        pinned = self.tree / "pipeline_code" / "contracts" / "schema.py"
        last = f'"{NEWEST_VERSION}": "{SCHEMA_DIGESTS[NEWEST_VERSION]}"'
        more = f'{last}, "{self.version}": "{digests[self.version]}"'
        pinned.write_text(pinned.read_text().replace(last, more))
        done = self.python("-c", "from pipeline_code.features.schema import *; check_schema()")
        assert done.returncode == 0, done.stderr

    def python(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Runs Python on the code of v3."""
        paths = os.pathsep.join(map(str, (self.tree, self.tree / "constructs")))
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.tree,
            env=os.environ | variables | {"PYTHONPATH": paths},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    def command(self, *words: str, **variables: str) -> dict[str, Any]:
        """What the command of v3's code answers."""
        done = self.tried(*words, "--json", "-", **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def tried(self, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """What the command of v3's code does, which may refuse."""
        place = ("--state", str(self.aws.state_dir))
        return self.python("-m", "operations.cli", *words, *place, **variables)

    def probed(self, version: str) -> dict[str, Any]:
        """What a probe through the stack finds, of the version that serves."""
        file = users_file(self.folder / "probes.parquet")
        words = ("--through-stack", "--sample", "30", "--data", str(file))
        return self.command("parity", *words, FEATURE_SCHEMA_VERSION=version)

    def publish(self, days: int) -> None:
        """Put some more days of events onto the stream, and wait until they are folded."""
        end = self.sent + days * (self.story.drift - self.story.quiet) / 7
        stream = EventStream(self.target)
        stream.publish(self.story.stream.between(self.sent, end))
        stream.await_folded()
        self.sent = end

    def differing(self) -> dict[str, tuple[int, list[int]]]:
        """Of each kind of entity and version how many there are, and whose states are others."""
        known = self.story.stream.between(self.story.start, self.sent)
        for name, table in zip(("transactions", "fraud_reports"), known.tables(), strict=True):
            pq.write_table(table, self.folder / f"{name}.parquet")
        environment = {k: v for k, v in self.aws.environment().items() if k.startswith("AWS_")}
        pattern = self.target.output("CustomerFeatureGroupName").replace("customer", "{entity}")
        pattern = re.sub(r"v\d+$", "{version}", pattern)
        done = self.python("-c", STATES, str(self.folder), pattern, **environment)
        assert done.returncode == 0, done.stderr
        return {key: (count, wrong) for key, (count, wrong) in json.loads(done.stdout).items()}

    def served(self) -> str:
        return registry.deployed_package(self.target)


@pytest.fixture(scope="module")
def world(upgrade: Upgrade, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(EmbeddedAws(upgrade.state), tmp_path_factory.mktemp("versions"))


def undegraded(traffic: Traffic) -> dict[str, int]:
    """How many responses each model gave; none failed, and each had read its states."""
    assert traffic.scored.failures == []
    answers = [each.answer for each in traffic.asked if each.answer is not None]
    reasons = Counter(reason for each in answers for reason in each["degraded_reasons"])
    assert reasons == {}
    return {v: sum(a["model_version"] == v for a in answers) for v in traffic.scored.model_versions}


def test_a_new_version_replaces_the_old_and_the_old_the_new(world: World) -> None:
    before, story = world.begin(), world.story
    world.publish(2)
    world.declare()
    # Of others the online store knows nothing before the training run.
    known = story.stream.between(story.quiet, world.sent).transactions
    requests = list(requests_of(known))
    with Traffic(world.target, requests, per_second=10.0) as traffic:
        world.command("deploy")
        world.publish(2)  # half of them the new groups have from the stream, the rest from the lake
        registered = world.command("train", "--reason", "test")["model_package"]
        assert world.served() == before
        old = undegraded(traffic)
        assert list(old) == [before]
        world.publish(1)
        world.command("approve", registered, "--reason", "test")
        assert world.served() == registered
    assert set(undegraded(traffic)) == {before, registered}
    assert_equal_states(world)
    assert_parity(world, world.version)
    # A roll-back would need the old one's groups.
    refused = world.tried("schema", "retire", NEWEST_VERSION)
    assert refused.returncode != 0
    assert "roll" in refused.stderr
    with Traffic(world.target, requests, per_second=10.0) as traffic:
        world.command("rollback", "--reason", "test")
        assert world.served() == before
        world.publish(1)
    assert set(undegraded(traffic)) == {registered, before}
    assert_equal_states(world)
    assert_parity(world, NEWEST_VERSION)
    refused = world.tried("schema", "retire", NEWEST_VERSION)
    assert "package 1 serves" in " ".join(refused.stderr.split())


def assert_equal_states(world: World) -> None:
    """The states of both versions are those of all events, each once."""
    different = world.differing()
    assert [wrong for _, wrong in different.values()] == [[]] * 4
    assert {key.split()[1] for key in different} == {NEWEST_VERSION, world.version}


def assert_parity(world: World, version: str) -> None:
    found = world.probed(version)
    assert found["rows"] > 0
    assert (found["mismatches"], found["degraded"]) == (0, 0), found
