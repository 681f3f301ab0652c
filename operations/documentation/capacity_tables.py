"""The tables of docs/capacity.md: needs, quotas, prices and cost, a column a load."""

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

from operations.deployment.assembly import stacks
from operations.deployment.store_calls import SIDES, by_type
from operations.documentation.capacity import Figures, Plan, Rules
from operations.documentation.pages import markdown_table

__all__ = ["capacity_tables"]

FIGURES = Path(__file__).with_name("capacity.toml")
GB = 1e9
MILLION = 1e6
DAYS_A_MONTH = 365 / 12
FEW = 10

Row = tuple[str, Callable[[Plan], float]]


def capacity_tables(assembly: Path) -> str:
    """The generated part of the page.

    Args:
        assembly: The synthesized environment whose rules are taken, `prod`.
    """
    figures = tomllib.loads(FIGURES.read_text(encoding="utf-8"))
    rules = Rules.of(by_type(stacks(assembly)))
    plans = [Plan(load, rules, figures) for load in figures["loads"]]
    return "\n".join(
        [
            "### What it needs\n",
            _table("a second or at a time, unless it says otherwise", plans, _needs(rules)),
            "### Quotas to ask for\n",
            _quotas(plans, figures),
            "### What a month costs\n",
            _table("dollars, of what has a price below", plans, _costs(figures), sums=True),
            "### Prices\n",
            _prices(figures),
        ]
    )


def _needs(rules: Rules) -> list[Row]:
    scaled = f"`{rules.instance_type}` at {rules.per_instance:g} requests a second each"
    return [
        (f"instances: {scaled}, which scaling aims at", lambda plan: plan.instances),
        ("instances of a challenger that answers every request", lambda plan: plan.challengers),
        (
            "instances during an update: two fleets and the challenger",
            lambda plan: plan.most_instances,
        ),
        (
            "instances, were a core as the one that was measured, and half of it used",
            lambda plan: plan.measured_instances,
        ),
        ("shards of each of two streams, half used", lambda plan: plan.shards),
        ("batches of events at a time, a function's execution each", _batches),
        ("`GetRecord` calls, the challenger's among them", lambda plan: plan.single_reads),
        (
            "`BatchGetRecord` calls at most, a training run's among them",
            lambda plan: plan.batch_reads,
        ),
        ("`BatchGetRecord` calls at least, a hundred records each", _fewest_batch_reads),
        ("read units", lambda plan: plan.read_units),
        ("write units", lambda plan: plan.write_units),
        ("GB of captures a day", lambda plan: plan.captured / GB),
        (
            "GB of states in the offline store a day, uncompressed",
            lambda plan: plan.kept_offline / GB,
        ),
        ("GB of transactions in the lake a day", lambda plan: plan.landed / GB),
        ("GB of the servers' metrics in the log a day", lambda plan: plan.logged / GB),
    ]


def _batches(plan: Plan) -> int:
    return SIDES * plan.shards


def _fewest_batch_reads(plan: Plan) -> float:
    return SIDES * plan.load / 100


def _quotas(plans: Sequence[Plan], figures: Figures) -> str:
    def needs(plan: Plan) -> dict[str, float]:
        rules = plan.rules
        return {
            f"{rules.instance_type} for endpoint usage": plan.most_instances,
            "Number of instances across active endpoints": plan.most_instances,
            "Rate of InvokeEndpoint requests": plan.load,
            "GetRecord transactions per second": plan.single_reads,
            "BatchGetRecord transactions per second": plan.batch_reads
            * 100
            / figures["choices"]["background_percent"],
            "Shards per Region": SIDES * plan.shards,
            "Concurrent executions": _batches(plan) + rules.other_functions,
        }

    instance = plans[0].rules.instance_type
    defaults = {
        name.format(instance=instance): value for name, value in figures["defaults"].items()
    }
    columns = [needs(plan) for plan in plans]
    rows = [
        (f"`{name}`", default, *(_number(column[name]) for column in columns))
        for name, default in defaults.items()
    ]
    return markdown_table([("quota", "default", *map(_load, plans)), *rows])


def _costs(figures: Figures) -> list[Row]:
    hours: float = figures["rules"]["hours_a_month"]
    price = {each["key"]: each["price"] for each in figures["prices"]}
    puts = SIDES * hours * 3_600 / MILLION

    def function_seconds(plan: Plan) -> float:
        return _batches(plan) * plan.rules.fold_memory_gb * hours * 3_600

    return [
        ("endpoint", lambda plan: plan.instances * hours * price["instance_hour"]),
        (
            "challenger, while there is one",
            lambda plan: plan.challengers * hours * price["instance_hour"],
        ),
        ("shards", lambda plan: SIDES * plan.shards * hours * price["shard_hour"]),
        ("records put", lambda plan: plan.load * puts * price["million_puts"]),
        (
            "folds, were they never idle",
            lambda plan: function_seconds(plan) * price["function_gb_second"],
        ),
        (
            "the servers' metrics in the log",
            lambda plan: plan.logged * DAYS_A_MONTH / GB * price["log_gb"],
        ),
        ("a month's captures", lambda plan: plan.captured * DAYS_A_MONTH / GB * price["stored_gb"]),
    ]


def _prices(figures: Figures) -> str:
    rows = [
        (each["of"], f"{each['price']:.10f}".rstrip("0"), each["date"], each["source"])
        for each in figures["prices"]
    ]
    return markdown_table([("of", "dollars", "as of", "read in"), *rows])


def _table(title: str, plans: Sequence[Plan], rows: Sequence[Row], *, sums: bool = False) -> str:
    values = [(label, [count(plan) for plan in plans]) for label, count in rows]
    if sums:
        columns = zip(*(row for _, row in values), strict=True)
        values.append(("together", [sum(column) for column in columns]))
    lines = [(label, *map(_number, row)) for label, row in values]
    return markdown_table([(title, *map(_load, plans)), *lines])


def _load(plan: Plan) -> str:
    return f"{plan.load:,} transactions a second"


def _number(value: float) -> str:
    """As many digits as say something."""
    return f"{value:,.2f}" if value < FEW and value % 1 else f"{value:,.0f}"
