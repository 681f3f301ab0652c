"""Every feature in one place.

A feature is one line of `FEATURES`. Batch and online vectors, the feature groups' columns and the
monitor's baseline all follow from it. This module imports nothing heavy: the stacks read it too.

Everything is an event that becomes *known* at a time: a transaction at its event time, a fraud
report at its report time, a matured transaction `LABEL_DELAY` after its event time, when its
report would have come. A feature at time t is made of events known by t, so a label that comes
late is counted late, in training too.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache

SCHEMA_VERSION = "v1"
# Key of a feature file's Parquet metadata that names the version its rows follow.
SCHEMA_VERSION_KEY = b"feature_schema_version"
# Key of the same that says how many whole days of transactions lie before the file's period.
HISTORY_DAYS_KEY = b"history_days"
LABEL_DELAY = timedelta(days=7)
# A request may be this much older than its entity's newest event and still find whole windows.
ALLOWED_LATENESS = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Entity:
    """What features are kept for; each entity has a feature group of its own."""

    name: str

    @property
    def record_identifier(self) -> str:
        """The column that names one entity, in the lake and in the feature group."""
        return f"{self.name}_id"


CUSTOMER = Entity("customer")
TERMINAL = Entity("terminal")
ENTITIES = (CUSTOMER, TERMINAL)


class Stream(StrEnum):
    """Where events come from, each known at its own time."""

    TRANSACTIONS = "transactions"
    MATURED = "matured transactions"
    REPORTS = "fraud reports"


@dataclass(frozen=True, slots=True)
class Window:
    """A sawtooth window: exact at its head, which includes t; its tail is cut at a hop boundary.

    Window(timedelta(days=7)).start(t)  # floor((t - 7 days) / 1 hour) * 1 hour, included
    """

    length: timedelta

    @property
    def hop(self) -> timedelta:
        """The step at which the tail moves: coarser for longer windows."""
        if self.length < timedelta(hours=12):
            return timedelta(minutes=5)
        return timedelta(hours=1) if self.length < timedelta(days=12) else timedelta(days=1)

    @property
    def reach(self) -> timedelta:
        """The oldest age an event in the window can have."""
        return self.length + self.hop


class Measure(StrEnum):
    """What is added up over the events of a window; always an integer."""

    COUNT = "count"
    AMOUNT = "amount"


@dataclass(frozen=True, slots=True)
class Total:
    """An exact integer aggregate of one entity's stream over a window."""

    entity: Entity
    stream: Stream
    measure: Measure
    window: Window

    @property
    def warm_up(self) -> timedelta:
        """How long after the first transaction of all the window is full."""
        delay = timedelta() if self.stream is Stream.TRANSACTIONS else LABEL_DELAY
        return self.window.length + delay


class Request(StrEnum):
    """What the transaction itself says, in UTC: weekend is days 6 and 7, night hours 0 to 6."""

    AMOUNT = "amount in minor units"
    WEEKEND = "on a weekend"
    NIGHT = "at night"


@dataclass(frozen=True, slots=True)
class Quotient:
    """One formula divided by another; 0 where the divisor is 0."""

    dividend: "Formula"
    divisor: "Formula"


Formula = Request | Total | Quotient


@dataclass(frozen=True, slots=True)
class Feature:
    """A named number of the feature vector."""

    name: str
    unit: str
    formula: Formula

    @property
    def totals(self) -> tuple[Total, ...]:
        """The window aggregates that the feature is made of."""
        return tuple(part for part in _parts(self.formula) if isinstance(part, Total))

    @property
    def stored_for(self) -> Entity | None:
        """The entity whose feature group can hold the value; None if the request is needed too."""
        entities = {total.entity for total in self.totals}
        uses_request = any(isinstance(part, Request) for part in _parts(self.formula))
        return entities.pop() if len(entities) == 1 and not uses_request else None

    @property
    def owner(self) -> Entity:
        """Whose behaviour the feature tells of: records of one owner are alike."""
        return TERMINAL if {total.entity for total in self.totals} == {TERMINAL} else CUSTOMER

    @property
    def follows_calendar(self) -> bool:
        """Whether the feature says nothing but when the request came."""
        return self.formula in (Request.WEEKEND, Request.NIGHT)

    @property
    def warm_up(self) -> timedelta:
        """How much history it takes until the feature means what it says."""
        return max((total.warm_up for total in self.totals), default=timedelta())

    @property
    def store_type(self) -> str:
        """The Feature Store type of the value."""
        return "Fractional" if isinstance(self.formula, Quotient) else "Integral"


def _parts(formula: Formula) -> tuple[Request | Total, ...]:
    if isinstance(formula, Quotient):
        return _parts(formula.dividend) + _parts(formula.divisor)
    return (formula,)


def _count(entity: Entity, stream: Stream, days: int) -> Total:
    return Total(entity, stream, Measure.COUNT, Window(timedelta(days=days)))


def _mean_amount(entity: Entity, days: int) -> Quotient:
    amounts = Total(entity, Stream.TRANSACTIONS, Measure.AMOUNT, Window(timedelta(days=days)))
    return Quotient(amounts, _count(entity, Stream.TRANSACTIONS, days))


def _amount_over_mean(entity: Entity, days: int) -> Quotient:
    return Quotient(Request.AMOUNT, _mean_amount(entity, days))


def _risk(entity: Entity, days: int) -> Quotient:
    return Quotient(_count(entity, Stream.REPORTS, days), _count(entity, Stream.MATURED, days))


_SPENT, _MATURED = Stream.TRANSACTIONS, Stream.MATURED

FEATURES: tuple[Feature, ...] = (
    Feature("amount_minor", "minor units", Request.AMOUNT),
    Feature("is_weekend", "0 or 1", Request.WEEKEND),
    Feature("is_night", "0 or 1", Request.NIGHT),
    Feature("customer_count_1d", "transactions", _count(CUSTOMER, _SPENT, 1)),
    Feature("customer_count_7d", "transactions", _count(CUSTOMER, _SPENT, 7)),
    Feature("customer_count_30d", "transactions", _count(CUSTOMER, _SPENT, 30)),
    Feature("customer_mean_amount_1d", "minor units", _mean_amount(CUSTOMER, 1)),
    Feature("customer_mean_amount_7d", "minor units", _mean_amount(CUSTOMER, 7)),
    Feature("customer_mean_amount_30d", "minor units", _mean_amount(CUSTOMER, 30)),
    Feature("terminal_count_1d", "matured transactions", _count(TERMINAL, _MATURED, 1)),
    Feature("terminal_count_7d", "matured transactions", _count(TERMINAL, _MATURED, 7)),
    Feature("terminal_count_30d", "matured transactions", _count(TERMINAL, _MATURED, 30)),
    Feature("terminal_risk_1d", "reports per matured transaction", _risk(TERMINAL, 1)),
    Feature("terminal_risk_7d", "reports per matured transaction", _risk(TERMINAL, 7)),
    Feature("terminal_risk_30d", "reports per matured transaction", _risk(TERMINAL, 30)),
    Feature("amount_over_customer_mean_7d", "ratio", _amount_over_mean(CUSTOMER, 7)),
    Feature("amount_over_customer_mean_30d", "ratio", _amount_over_mean(CUSTOMER, 30)),
)

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)


def stored_features(entity: Entity) -> tuple[Feature, ...]:
    """The features whose value, as of the record's event time, the entity's feature group holds."""
    return tuple(feature for feature in FEATURES if feature.stored_for == entity)


def feature_group_columns(entity: Entity) -> list[tuple[str, str]]:
    """The feature group's columns: name and Feature Store type.

    feature_group_columns(CUSTOMER)[0]  # ("customer_id", "String")

    A stored value goes stale as its window slides; `state` does not, and it is what serving reads.
    """
    return [
        (entity.record_identifier, "String"),
        ("event_time", "String"),
        ("state", "String"),
        *((feature.name, feature.store_type) for feature in stored_features(entity)),
    ]


@cache
def horizon(entity: Entity) -> timedelta:
    """How far back, from the newest event, an entity's events can still matter to a request."""
    ages = [
        total.window.reach + (LABEL_DELAY if total.stream is Stream.MATURED else timedelta())
        for feature in FEATURES
        for total in feature.totals
        if total.entity == entity
    ]
    return max(ages) + ALLOWED_LATENESS
