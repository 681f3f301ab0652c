"""The page of capacity is reckoned by prod's templates, and by rules that are the project's own."""

import math
import tomllib

import pytest

from lifecycle.features import StoreReads
from operations.deployment.assembly import stacks
from operations.deployment.store_calls import by_type
from operations.documentation.capacity import Plan, Rules
from operations.documentation.capacity_tables import FIGURES, capacity_tables
from operations.documentation.pages import with_part
from pipeline_code.contracts.quotas import BATCH_GETS_A_SECOND, CALLS_A_SECOND
from stacks.environments import PROD

from .conftest import ROOT, Synthesized

FIGURE = tomllib.loads(FIGURES.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rules(synthesized: Synthesized) -> Rules:
    return Rules.of(by_type(stacks(synthesized.folder / "prod")))


def test_the_page_is_up_to_date(synthesized: Synthesized) -> None:
    page = (ROOT / "docs" / "capacity.md").read_text(encoding="utf-8")
    part = capacity_tables(synthesized.folder / "prod")
    assert with_part(page, part) == page, "run `make docs`"


def test_rules_are_those_of_the_configuration(rules: Rules) -> None:
    scaling, reads = PROD.endpoint.scaling, PROD.feature_store.reads
    assert rules.instance_type == PROD.endpoint.instance_type
    assert rules.per_instance * 60 == scaling.invocations_per_minute
    assert rules.fewest == scaling.min_instances
    assert rules.shadow == 1.0
    assert (rules.fold_reads, rules.training_reads) == (reads.fold, reads.materializing)
    assert FIGURE["choices"]["background_percent"] == reads.background_percent
    defaults = FIGURE["defaults"]
    assert defaults["GetRecord transactions per second"] == f"{CALLS_A_SECOND:,}"
    assert defaults["BatchGetRecord transactions per second"] == str(BATCH_GETS_A_SECOND)


@pytest.mark.parametrize("load", [1, 37, 100, 1_000, 4_999, 10_000])
def test_what_is_planned_bears_the_load(rules: Rules, load: int) -> None:
    plan = Plan(load, rules, FIGURE)
    assert plan.instances * rules.per_instance >= load
    assert plan.most_instances == 2 * plan.instances + plan.challengers
    assert plan.shards * 500 >= load
    # Folds that keep to their pace read what their shards take.
    assert 100 * rules.fold_reads * plan.shards >= load
    assert plan.batch_reads >= 2 * math.ceil(load / 100)
    # An environment of so many shards is one that synthesis lets through, with that quota.
    StoreReads(quota=math.ceil(plan.batch_reads / 0.8)).check(plan.shards)


def test_more_load_never_needs_less(rules: Rules) -> None:
    plans = [Plan(load, rules, FIGURE) for load in range(1, 20_000, 611)]
    for name in ("instances", "shards", "single_reads", "batch_reads", "write_units", "logged"):
        values = [getattr(plan, name) for plan in plans]
        assert values == sorted(values), name
