"""A second version of the features' schema beside the newest, for the time of a test."""

from dataclasses import replace
from datetime import timedelta

from pipeline_code.features import definitions
from pipeline_code.features.declarations import (
    CUSTOMER,
    TERMINAL,
    Aggregation,
    Feature,
    Operation,
    Source,
    Window,
)

# No version that will ever be: what is cached of it is of no other test.
OTHER_VERSION = "v900"
REMOVED, CHANGED, ADDED = "terminal_risk_7d", "customer_max_14d", "customer_count_45d"


def _largest(days: int) -> Aggregation:
    return Aggregation(CUSTOMER, Source.TRANSACTIONS, Operation.MAX, Window(timedelta(days=days)))


def declared() -> tuple[Feature, ...]:
    """One feature removed, one changed, and two added that need longer states."""
    before = [
        replace(each, until=OTHER_VERSION) if each.name in {REMOVED, CHANGED} else each
        for each in definitions.DECLARED
    ]
    long = Window(timedelta(days=45))
    matured = Aggregation(TERMINAL, Source.MATURED, Operation.COUNT, long)
    spent = Aggregation(CUSTOMER, Source.TRANSACTIONS, Operation.COUNT, long)
    return (
        *before,
        Feature(CHANGED, "minor units", _largest(3), since=OTHER_VERSION),
        Feature(ADDED, "transactions", spent, since=OTHER_VERSION),
        Feature("terminal_count_45d", "matured transactions", matured, since=OTHER_VERSION),
    )
