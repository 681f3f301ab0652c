"""A schema's version promises its features: others are refused under it."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline_code.contracts.schema import (
    NEWEST_VERSION,
    SCHEMA_DIGESTS,
    SCHEMA_VERSION,
)
from pipeline_code.features.declarations import (
    CUSTOMER,
    Aggregation,
    Feature,
    Operation,
    Source,
    Window,
)
from pipeline_code.features.definitions import FEATURES
from pipeline_code.features.schema import check_schema, schema_digest, state_contract

ROOT = Path(__file__).parents[3]
SYNTHESIS = """
import lifecycle, json, aws_cdk as cdk
from stacks.data_lake import DataLakeStack
from stacks.environments import environment_named
from stacks.feature_store import FeatureStoreStack
context = json.load(open("cdk.json"))["context"]
app, environment = cdk.App(context=context), environment_named("local")
lake = DataLakeStack(app, "DataLake", environment=environment).lake
stack = FeatureStoreStack(app, "FeatureStore", environment=environment, lake=lake)
print(stack.store.customer_group_name)
"""


def spent(length: timedelta, shift: timedelta = timedelta()) -> Aggregation:
    return Aggregation(CUSTOMER, Source.TRANSACTIONS, Operation.SUM, Window(length, shift))


def followed(message: str) -> tuple[str, dict[str, str]]:
    """The version and the digests after what a message says was done."""
    (line,) = re.findall(r'add ("v\d+": "[0-9a-f]+") to SCHEMA_DIGESTS', message)
    new, digest = re.findall(r'"([^"]+)"', line)
    return new, {**SCHEMA_DIGESTS, new: digest}


CHANGED = {
    "one more": (*FEATURES, Feature("customer_spent_3d", "minor units", spent(timedelta(days=3)))),
    "another order": (*FEATURES[1:], FEATURES[0]),
    "another name": (replace(FEATURES[0], name="minor"), *FEATURES[1:]),
    "one less": FEATURES[:-1],
    "another window": tuple(
        replace(each, formula=spent(timedelta(days=6))) if each.name == "customer_max_14d" else each
        for each in FEATURES
    ),
}


def test_the_features_are_those_of_their_version() -> None:
    check_schema()


@pytest.mark.parametrize("change", CHANGED)
def test_a_change_under_the_old_version_is_refused_until_what_is_said_is_done(change: str) -> None:
    features = CHANGED[change]
    with pytest.raises(ValueError, match=f"schema version {SCHEMA_VERSION} must have") as refused:
        check_schema(features, SCHEMA_VERSION)
    version, digests = followed(str(refused.value))
    assert version not in SCHEMA_DIGESTS
    check_schema(features, version, digests)
    with pytest.raises(ValueError, match=f"must have the digest {digests[version]}, got"):
        check_schema(FEATURES, version, digests)


def test_a_version_that_nobody_pinned_is_refused() -> None:
    with pytest.raises(ValueError, match=rf'add "v9": "{schema_digest()}" to') as refused:
        check_schema(version="v9")
    check_schema(version="v9", digests=followed(str(refused.value))[1])


def test_what_a_state_keeps_is_part_of_the_schema() -> None:
    longer = (*FEATURES, Feature("customer_spent_60d", "minor units", spent(timedelta(days=60))))
    assert state_contract(CUSTOMER, longer) != state_contract(CUSTOMER)


def test_synthesis_refuses_and_says_what_to_do(tmp_path: Path) -> None:
    for folder in ("constructs", "pipeline_code", "stacks"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    shutil.copy(ROOT / "cdk.json", tmp_path)
    definitions = tmp_path / "pipeline_code" / "features" / "definitions.py"
    text = definitions.read_text()
    old = 'Feature("customer_max_14d", "minor units", _largest(CUSTOMER, 14 * DAY)'
    new = old.replace("14 * DAY", "DAY")
    assert f"    {old})," in text
    definitions.write_text(text.replace(old, new))
    refused = synthesized(tmp_path)
    assert refused.returncode != 0
    version, digests = followed(refused.stderr)
    definitions.write_text(
        text.replace(f"{old}),", f'{old}, until="{version}"),\n{new}, since="{version}"),')
    )
    pinned = tmp_path / "pipeline_code" / "contracts" / "schema.py"
    last = f'"{NEWEST_VERSION}": "{SCHEMA_DIGESTS[NEWEST_VERSION]}"'
    assert last in pinned.read_text()
    more = f'{last}, "{version}": "{digests[version]}"'
    pinned.write_text(pinned.read_text().replace(last, more))
    done = synthesized(tmp_path)
    assert done.stdout.strip() == f"fraudloop-local-customer-{version}", done.stderr
    # Nor does a shell's variable change what is synthesized.
    assert synthesized(tmp_path, SCHEMA_VERSION_VARIABLE=NEWEST_VERSION).stdout == done.stdout


def synthesized(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SYNTHESIS],
        cwd=folder,
        env=os.environ | variables | {"PYTHONPATH": f"{folder}{os.pathsep}{folder / 'constructs'}"},
        capture_output=True,
        text=True,
        check=False,
    )
