"""Versions of the features' schema: what needs each, what ends one, and what may be deployed."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from local_aws.server import EmbeddedAws
from operations.cli import app
from operations.deployment import provisioning
from operations.errors import OperationError
from operations.models import approvals, schema_retirement
from operations.models.schema_retirement import retire
from operations.models.schema_versions import check_code, schema_status
from operations.target import Target
from pipeline_code.contracts.packages import NO_MODEL, spelled
from pipeline_code.contracts.schema import NEWEST_VERSION, SCHEMA_DIGESTS
from tests.local_aws.sagemaker.serving import Serving

from .schema_registry import Registry, group_of_nothing

ROOT = Path(__file__).parents[3]
COLUMNS = 80


@pytest.fixture
def registry(embedded_aws: EmbeddedAws) -> Registry:
    return Registry(embedded_aws)


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """code("v2", "v3"): this code has these versions."""

    def has(*versions: str) -> None:
        for module in ("schema_versions", "schema_retirement"):
            monkeypatch.setattr(f"operations.models.{module}.SCHEMA_VERSIONS", versions)
        monkeypatch.setattr("operations.models.schema_versions.NEWEST_VERSION", versions[-1])
        monkeypatch.setattr(schema_retirement, "SCHEMA_DIGESTS", dict.fromkeys(versions, "0" * 16))

    return has


def kept(registry: Registry) -> dict[str, str]:
    """Why each version is kept."""
    return {each["version"]: each["why_kept"] for each in schema_status(registry.target)}


def test_a_version_is_kept_while_a_package_of_it_runs_or_may_come_to_run(
    registry: Registry, code: Callable[..., None]
) -> None:
    code("v2", "v3", "v4")
    old, shadow, new = (registry.register(version) for version in ("v2", "v2", "v3"))
    registry.put("challenger", spelled(shadow))
    registry.serve(new, before=old)
    assert kept(registry) == {
        "v2": "package 2 is the challenger, package 1 is what a roll-back brings back",
        "v3": "package 3 serves",
        "v4": "it is what is trained",
    }
    registry.put("challenger", NO_MODEL)
    approvals.reject(registry.target, "1", reason="there is no way back")
    assert kept(registry)["v2"] == ""
    # What was approved last beside what serves takes its place, should that be rejected.
    registry.register("v2", approved=True)
    assert kept(registry)["v2"] == "package 4 is what a roll-back brings back"
    registry.register("v3", approved=True)
    assert kept(registry)["v2"] == ""


def test_what_the_endpoint_serves_counts_whatever_the_parameter_says(
    registry: Registry, code: Callable[..., None]
) -> None:
    code("v2", "v3")
    one, other = registry.register("v2"), registry.register("v3")
    registry.serve(other)
    serving = Serving.make(registry.target.session.client)
    model = serving.model(MODEL_PACKAGE_ARN=one["ModelPackageArn"])
    config = serving.config(model)
    name = registry.target.output("EndpointName")
    registry.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    registry.sagemaker.get_waiter("endpoint_in_service").wait(
        EndpointName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300}
    )
    try:
        assert kept(registry)["v2"] == "package 1 serves"
        with pytest.raises(
            OperationError, match=r"^schema version v2 must .* package 1 serves; pr"
        ):
            retire(registry.target, "v2")
    finally:
        registry.sagemaker.delete_endpoint(EndpointName=name)


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("v1", "version must be one of v2, v3, got v1; this code has it no more"),
        (
            "v2",
            "must be needed by nothing to be retired, got: package 1 serves, package 2 is what a "
            "roll-back brings back; promote, reject or stop what needs it",
        ),
        ("v3", "needed by nothing to be retired, got: it is what is trained; "),
    ],
)
def test_what_is_needed_is_not_retired(
    registry: Registry, code: Callable[..., None], version: str, told: str
) -> None:
    code("v2", "v3")
    registry.serve(registry.register("v2"))
    registry.register("v2", approved=True)
    with pytest.raises(OperationError, match=re.escape(told)):
        retire(registry.target, version)
    assert registry.statuses() == ["PendingManualApproval", "Approved"]


def test_the_packages_of_a_version_that_ends_are_rejected_and_the_rest_is_said(
    registry: Registry, code: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    code("v2", "v3")
    monkeypatch.setattr(schema_retirement, "may_delete_data", {registry.name: False}.get)
    old, _ = registry.register("v2", approved=True), registry.register("v2")
    served, back = (registry.register("v3", approved=True) for _ in range(2))
    registry.serve(served, before=back)
    done = retire(registry.target, "v2")
    assert registry.statuses() == ["Rejected", "Rejected", "Approved", "Approved"]
    decision = registry.package(old["ModelPackageArn"])["CustomerMetadataProperties"][
        "decision_002"
    ]
    assert decision.endswith("schema version v2 is retired: its features are computed no more")
    assert done["rejected"] == [1, 2]
    assert done["edits"][0] == (
        'pipeline_code/contracts/schema.py: remove "v2": "0000000000000000" from SCHEMA_DIGESTS'
    )
    assert done["commands"] == [
        f"aws sagemaker delete-feature-group --feature-group-name fraudloop-{registry.name}-{name}"
        for name in ("customer-v2", "terminal-v2")
    ]
    # A second time, nothing is left to reject.
    monkeypatch.setattr(schema_retirement, "may_delete_data", {registry.name: True}.get)
    again = retire(registry.target, "v2")
    assert (again["rejected"], again["commands"]) == ([], [])


# Where a version is deployed, and code comes that has it not.


@pytest.fixture
def deployed(registry: Registry) -> Iterator[Registry]:
    """With the feature groups of v2 in their stack."""
    cloudformation = registry.target.client("cloudformation")
    stack = registry.target.stack_name("feature-store")
    groups = {
        entity: {
            "Type": "AWS::SageMaker::FeatureGroup",
            "Properties": {"FeatureGroupName": f"fraudloop-{registry.name}-{entity}-v2"}
            | group_of_nothing(),
        }
        for entity in ("customer", "terminal")
    }
    outputs = {name: {"Value": value} for name, value in registry.target.outputs.items()}
    template = {"Resources": groups, "Outputs": outputs}
    cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 0.1, "MaxAttempts": 200}
    )
    yield registry
    cloudformation.delete_stack(StackName=stack)


def test_code_that_lacks_the_version_of_a_package_that_is_needed_is_not_deployed(
    deployed: Registry, code: Callable[..., None], tmp_path: Path
) -> None:
    old, new = deployed.register("v2"), deployed.register("v3")
    deployed.serve(new, before=old)
    code("v2", "v3")
    check_code(deployed.target)
    code("v3")
    with pytest.raises(OperationError, match=r"^code must have schema version v2, ") as refused:
        check_code(deployed.target)
    assert "since package 1 is what a roll-back brings back, got only v3; keep" in str(
        refused.value
    )
    approvals.reject(deployed.target, "1", reason="there is no way back")
    check_code(deployed.target)
    deployed.serve(deployed.register("v2"))
    # Before anything else is looked at, let alone changed.
    (tmp_path / "manifest.json").write_text('{"artifacts": {}}')
    with pytest.raises(OperationError, match="since package 3 serves, got only v3"):
        provisioning.deploy(deployed.target, tmp_path)


def test_what_is_lost_already_keeps_no_code_from_being_deployed(
    registry: Registry, code: Callable[..., None]
) -> None:
    registry.make_groups("v1")  # which no stack has
    registry.serve(registry.register("v2"), before=registry.register("v1"))
    code("v2")
    check_code(registry.target)


# The verbs.


def test_status_tells_of_every_version_in_80_columns(
    embedded_aws: EmbeddedAws, code: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(embedded_aws, "local")
    monkeypatch.setattr(Target, "outputs", registry.target.outputs)
    code("v2", "v3")
    made = [*registry.make_groups("v1"), *registry.make_groups("v2")]
    old, new = (registry.register(version, approved=True) for version in ("v2", "v3"))
    registry.serve(new, before=old)
    place = ["--state", str(embedded_aws.state_dir)]
    told = CliRunner().invoke(app, ["schema", "status", *place, "--json", "-"])
    assert told.exit_code == 0, told.output
    first, second, third = json.loads(told.stdout)["versions"]
    assert {each["name"] for each in first["groups"] + second["groups"]} == set(made)
    assert (first["in_code"], first["why_kept"]) == (False, "this code has it no more")
    assert second["uses"] == [
        {
            "package": 1,
            "use": "is what a roll-back brings back",
            "arn": old["ModelPackageArn"],
        }
    ]
    assert (third["groups"], third["approved"], third["pending"]) == ([], [2], [])
    shown = CliRunner().invoke(app, ["schema", "status", *place], env={"COLUMNS": str(COLUMNS)})
    assert not [line for line in shown.stdout.splitlines() if len(line) > COLUMNS]
    refused = CliRunner().invoke(app, ["schema", "retire", "v2", *place])
    assert refused.exit_code == 1
    assert "got: package 1 is what a roll-back brings back; " in refused.stderr
    approvals.reject(registry.target, "1", reason="there is no way back", overrule=True)
    done = CliRunner().invoke(app, ["schema", "retire", "v2", *place])
    assert done.exit_code == 0, done.output
    assert "SCHEMA_DIGESTS" in done.stdout
    for name in made:
        registry.sagemaker.delete_feature_group(FeatureGroupName=name)


# What is said to be edited is enough.

EDITS = """
from operations.models.schema_retirement import _edits
print(*_edits("v2"), sep="\\n")
"""
CHECK = """
from pipeline_code.contracts.schema import SCHEMA_VERSIONS
from pipeline_code.features.definitions import DECLARED, FEATURE_NAMES
from pipeline_code.features.schema import check_schema, schema_digest
check_schema()
assert not [each for each in DECLARED if each.since or each.until]
print(*SCHEMA_VERSIONS, *FEATURE_NAMES)
"""
DIGEST_OF_V3 = """
from pipeline_code.features.definitions import features_of
from pipeline_code.features.schema import schema_digest
print(schema_digest(features_of("v3")))
"""


def test_code_that_was_edited_as_retire_says_has_the_other_versions_as_they_were(
    tmp_path: Path,
) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "files")
    for folder in ("operations", "pipeline_code", "stacks"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    definitions = tmp_path / "pipeline_code" / "features" / "definitions.py"
    pinned = tmp_path / "pipeline_code" / "contracts" / "schema.py"
    # In v3, one feature is changed, one is new and one is gone.
    text = definitions.read_text()
    changed = 'Feature("customer_max_14d", "minor units", _largest(CUSTOMER, 14 * DAY)),'
    gone = 'Feature("is_weekend", "0 or 1", RequestValue.WEEKEND),'
    assert changed in text
    assert gone in text
    until, since = ', until="v3"),', ', since="v3"),'
    later = changed.removesuffix("),").replace("14 * DAY", "15 * DAY") + since
    new = later.replace("customer_max_14d", "customer_max_16d").replace("15 * DAY", "16 * DAY")
    text = text.replace(
        changed, f"{changed.removesuffix('),')}{until}\n    {later}\n    {new}"
    ).replace(gone, gone.removesuffix("),") + until)
    definitions.write_text(text)
    last = f'"{NEWEST_VERSION}": "{SCHEMA_DIGESTS[NEWEST_VERSION]}"'
    digest = run(tmp_path, DIGEST_OF_V3).strip()
    pinned.write_text(pinned.read_text().replace(last, f'{last}, "v3": "{digest}"'))
    edits = run(tmp_path, EDITS).splitlines()
    for edit in edits:
        path, _, what = edit.partition(": remove ")
        file = tmp_path / path
        file.write_text(edited(file.read_text(), what))
    versions, *names = run(tmp_path, CHECK).split()
    assert versions == "v3"
    assert {"customer_max_14d", "customer_max_16d"} <= set(names)
    assert "is_weekend" not in names


def edited(text: str, what: str) -> str:
    """What a person makes of an advice."""
    if what.endswith(" from SCHEMA_DIGESTS"):
        return text.replace(f"{what.removesuffix(' from SCHEMA_DIGESTS')}, ", "")
    told = re.fullmatch(r'(?:(\S+) from )?Feature\("(\w+)", \.\.\.((?:, \w+="v\d+")+)\)', what)
    assert told is not None, what
    part, name, ends = told.groups()
    lines = [line for line in text.splitlines() if f'Feature("{name}", ' in line and ends in line]
    (line,) = lines
    return text.replace(f"{line}\n", line.replace(f", {part}", "") + "\n" if part else "")


def run(folder: Path, program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
