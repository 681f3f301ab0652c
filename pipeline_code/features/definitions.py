"""Every feature in one place.

A feature is one line of `DECLARED`. Batch, Spark and online vectors, the feature groups' columns,
the Glue table of feature rows, the monitor's baseline and the documentation's table all follow from
it. This module imports nothing heavy: the stacks read it too. Features that change are a new
version of their schema: synthesis refuses them under the old one, and says how to pin the new.
While several versions are alive, a process works by the one that its environment names
(`pipeline_code.contracts.schema`), else by the newest; who keeps them all asks `features_of`.

Everything is an event that becomes *known* at a time: a transaction at its event time, a fraud
report at its report time, a matured transaction `LABEL_DELAY` after its event time, when its
report would have come. A feature at time t is made of events known by t, so a label that comes
late is counted late, in training too.

A value is a 32-bit float, which is what the model computes with: integers are divided in double
precision and rounded once.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from types import MappingProxyType

from pipeline_code.contracts.schema import (
    SCHEMA_VERSION,
    SCHEMA_VERSION_KEY,
    SCHEMA_VERSIONS,
    version_number,
)
from pipeline_code.features.declarations import (
    CUSTOMER,
    DAY,
    LABEL_DELAY,
    TERMINAL,
    Aggregation,
    Derivation,
    Entity,
    Feature,
    Operation,
    RequestValue,
    Source,
    Window,
)

__all__ = [
    "ALLOWED_LATENESS",
    "CUSTOMER",
    "DECLARED",
    "ENTITIES",
    "FEATURES",
    "FEATURE_NAMES",
    "FEATURE_TABLE_TYPES",
    "HISTORY_DAYS_KEY",
    "LABEL_DELAY",
    "LATEST_REPORT",
    "SCHEMA_VERSION",
    "SCHEMA_VERSION_KEY",
    "TERMINAL",
    "Entity",
    "Feature",
    "feature_group_columns",
    "features_of",
    "stored_features",
]

# Key of the same that says how many whole days of transactions lie before the file's period.
HISTORY_DAYS_KEY = b"history_days"
# A request may be this much older than its entity's newest event and still find whole windows.
ALLOWED_LATENESS = timedelta(days=1)
# A report that comes later than this after its transaction is not counted. It bounds how long a
# state must remember whose report it has counted: of a transaction's reports the first counts.
LATEST_REPORT = timedelta(days=120)
ENTITIES = (CUSTOMER, TERMINAL)

# What the next lines are made of: (entity, source) and how long a window is.
_SPENT, _MATURED, _REPORTED = Source.TRANSACTIONS, Source.MATURED, Source.REPORTS


def _aggregation(
    entity: Entity, source: Source, operation: Operation, length: timedelta, shift: timedelta
) -> Aggregation:
    return Aggregation(entity, source, operation, Window(length, shift))


def _count(
    entity: Entity, source: Source, length: timedelta, shift: timedelta = timedelta()
) -> Aggregation:
    return _aggregation(entity, source, Operation.COUNT, length, shift)


def _largest(entity: Entity, length: timedelta, shift: timedelta = timedelta()) -> Aggregation:
    return _aggregation(entity, _SPENT, Operation.MAX, length, shift)


def _mean(entity: Entity, length: timedelta, shift: timedelta = timedelta()) -> Derivation:
    amounts = _aggregation(entity, _SPENT, Operation.SUM, length, shift)
    return Derivation(amounts, _count(entity, _SPENT, length, shift))


def _risk(entity: Entity, length: timedelta) -> Derivation:
    return Derivation(_count(entity, _REPORTED, length), _count(entity, _MATURED, length))


def _since_last(entity: Entity, length: timedelta) -> Aggregation:
    return _aggregation(entity, _SPENT, Operation.SINCE_LAST, length, timedelta())


def _age(entity: Entity, length: timedelta) -> Aggregation:
    return _aggregation(entity, _SPENT, Operation.AGE, length, timedelta())


_AMOUNT = RequestValue.AMOUNT

DECLARED: tuple[Feature, ...] = (
    Feature("amount_minor", "minor units", _AMOUNT),
    Feature("is_weekend", "0 or 1", RequestValue.WEEKEND),
    Feature("is_night", "0 or 1", RequestValue.NIGHT),
    Feature("customer_count_1d", "transactions", _count(CUSTOMER, _SPENT, 1 * DAY)),
    Feature("customer_count_7d", "transactions", _count(CUSTOMER, _SPENT, 7 * DAY)),
    Feature("customer_count_30d", "transactions", _count(CUSTOMER, _SPENT, 30 * DAY)),
    Feature("customer_mean_amount_1d", "minor units", _mean(CUSTOMER, 1 * DAY)),
    Feature("customer_mean_amount_7d", "minor units", _mean(CUSTOMER, 7 * DAY)),
    Feature("customer_mean_amount_30d", "minor units", _mean(CUSTOMER, 30 * DAY)),
    Feature("terminal_count_1d", "matured transactions", _count(TERMINAL, _MATURED, 1 * DAY)),
    Feature("terminal_count_7d", "matured transactions", _count(TERMINAL, _MATURED, 7 * DAY)),
    Feature("terminal_count_30d", "matured transactions", _count(TERMINAL, _MATURED, 30 * DAY)),
    Feature("terminal_risk_1d", "reports per matured transaction", _risk(TERMINAL, 1 * DAY)),
    Feature("terminal_risk_7d", "reports per matured transaction", _risk(TERMINAL, 7 * DAY)),
    Feature("terminal_risk_30d", "reports per matured transaction", _risk(TERMINAL, 30 * DAY)),
    Feature("amount_over_customer_mean_7d", "ratio", Derivation(_AMOUNT, _mean(CUSTOMER, 7 * DAY))),
    Feature(
        "amount_over_customer_mean_30d", "ratio", Derivation(_AMOUNT, _mean(CUSTOMER, 30 * DAY))
    ),
    Feature("customer_max_14d", "minor units", _largest(CUSTOMER, 14 * DAY)),
    # How spending has changed since a time before a card may have leaked.
    Feature(
        "customer_max_7d_over_max_30d_before_14d",
        "ratio",
        Derivation(_largest(CUSTOMER, 7 * DAY), _largest(CUSTOMER, 30 * DAY, 14 * DAY)),
    ),
    Feature(
        "customer_max_7d_over_mean_30d_before_14d",
        "ratio",
        Derivation(_largest(CUSTOMER, 7 * DAY), _mean(CUSTOMER, 30 * DAY, 14 * DAY)),
    ),
    Feature("terminal_risk_2d", "reports per matured transaction", _risk(TERMINAL, 2 * DAY)),
    Feature("terminal_risk_21d", "reports per matured transaction", _risk(TERMINAL, 21 * DAY)),
    Feature("customer_since_last", "seconds", _since_last(CUSTOMER, 30 * DAY)),
    Feature("customer_age_30d", "seconds", _age(CUSTOMER, 30 * DAY)),
    Feature("terminal_age_30d", "seconds", _age(TERMINAL, 30 * DAY)),
)


@cache
def features_of(version: str) -> tuple[Feature, ...]:
    """The features of a version of the schema, in the order of their vector."""
    number = version_number(version)
    return tuple(
        each
        for each in DECLARED
        if (each.since is None or version_number(each.since) <= number)
        and (each.until is None or number < version_number(each.until))
    )


# Of the version that this process works by.
FEATURES = features_of(SCHEMA_VERSION)
FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)

# The Glue type of every column of a file of labelled feature rows, of whichever version.
FEATURE_TABLE_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "transaction_id": "bigint",
        "event_time": "timestamp",
        "customer_id": "bigint",
        "terminal_id": "bigint",
        **{each.name: "float" for version in SCHEMA_VERSIONS for each in features_of(version)},
        "is_fraud": "tinyint",
        "fraud_scenario": "tinyint",
    }
)


def stored_features(entity: Entity, version: str = SCHEMA_VERSION) -> tuple[Feature, ...]:
    """The features whose value, as of the record's event time, the entity's feature group holds."""
    return tuple(feature for feature in features_of(version) if feature.stored_for == entity)


def feature_group_columns(entity: Entity, version: str = SCHEMA_VERSION) -> list[tuple[str, str]]:
    """The columns of the feature group of a version: name and Feature Store type.

    feature_group_columns(CUSTOMER)[0]  # ("customer_id", "String")

    A stored value goes stale as its window slides; `state` does not, and it is what serving reads.
    """
    return [
        (entity.record_identifier, "String"),
        ("event_time", "String"),
        ("state", "String"),
        *((feature.name, feature.store_type) for feature in stored_features(entity, version)),
    ]
