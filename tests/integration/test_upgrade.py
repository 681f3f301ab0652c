"""An environment of the last release under traffic, and this working tree deployed over it.

The release's own code runs until CloudFormation has put this tree's in its place.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from operations.data import lake
from operations.demo.traffic import captured
from operations.deployment.assembly import Stack
from operations.deployment.status import stack_states
from operations.models import registry
from operations.serving.scoring import Scorer, requests_of
from pipeline_code.features.batch import compute

from .upgraded import Upgrade, later, until

pytestmark = pytest.mark.end_to_end


def test_the_releases_own_code_ran(upgrade: Upgrade) -> None:
    """Else this tree's would have been tested against itself."""
    tag = (
        upgrade.target.client("sagemaker")
        .describe_model_package(ModelPackageName=upgrade.package)["InferenceSpecification"][
            "Containers"
        ][0]["Image"]
        .rpartition(":")[2]
    )
    assert [*(upgrade.state / "images").rglob(f"{tag}/pipeline_code/serve")]


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
    until(lambda: _landed(upgrade, kind).total() >= wanted.total())
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

    until(is_batchs)  # the last events may still be on their way
