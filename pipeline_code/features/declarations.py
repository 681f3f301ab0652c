"""The declarations of features: entities, sources, windows, aggregations and derivations.

The words are Chronon's, and Feast's for an entity and for what a request itself says;
`pipeline_code.features.definitions` uses them to declare every feature. This module imports nothing
heavy: the stacks read it too.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

__all__ = [
    "CUSTOMER",
    "LABEL_DELAY",
    "TERMINAL",
    "Aggregation",
    "Derivation",
    "Entity",
    "Feature",
    "Formula",
    "Operation",
    "RequestValue",
    "Source",
    "Window",
]

FIVE_MINUTES = timedelta(minutes=5)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
# How long it takes until a fraud report that has not come is not expected any more.
LABEL_DELAY = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Entity:
    """What features are stored by; each entity has a feature group of its own."""

    name: str

    @property
    def record_identifier(self) -> str:
        """The column that names one entity, in the lake and in the feature group."""
        return f"{self.name}_id"


CUSTOMER = Entity("customer")
TERMINAL = Entity("terminal")


class Source(StrEnum):
    """The source of events, each known at its own time.

    A transaction is known at its event time, a fraud report at its report time. A matured
    transaction is one whose label's delay is over: it counts at its event time plus that delay.
    """

    TRANSACTIONS = "transactions"
    MATURED = "matured transactions"
    REPORTS = "fraud reports"


@dataclass(frozen=True, slots=True)
class Window:
    """A sawtooth window: its tail is cut at a hop boundary, its head is exact and includes t.

    Window(timedelta(days=7)).hop  # one hour: it starts at floor((t - 7 days) / 1 hour) * 1 hour

    A window that ended `shift` ago has its head cut at a full hour, since what is that old is
    stored by the hour: it ends before floor((t - shift) / 1 hour) * 1 hour.

    Raises:
        ValueError: A length or a shift that hops do not divide; the cuts would not meet.
    """

    length: timedelta
    shift: timedelta = timedelta()

    def __post_init__(self) -> None:
        if self.length <= timedelta() or self.length % self.hop:
            raise ValueError(
                f"length must be whole hops of {self.hop}, got {self.length}; round it"
            )
        if self.shift < timedelta() or self.shift % self.hop or self.shift % HOUR:
            raise ValueError(
                f"shift must be whole hours and hops of {self.hop}, got {self.shift}; round it"
            )

    @property
    def hop(self) -> timedelta:
        """The step at which the tail moves: coarser for longer windows."""
        if self.length < timedelta(hours=12):
            return FIVE_MINUTES
        return HOUR if self.length < timedelta(days=12) else DAY

    @property
    def reach(self) -> timedelta:
        """The oldest age an event in the window can have."""
        return self.shift + self.length + self.hop


class Operation(StrEnum):
    """The operation of an aggregation; always an integer, whatever their order."""

    COUNT = "how many"
    SUM = "sum of amounts, in minor units"
    MAX = "largest amount, in minor units; 0 if there is none"
    SINCE_LAST = "whole seconds since the last event before t, at most the window's length"
    # By whole hops, so that it does not tell the time of day.
    AGE = "seconds from the hop of the first event to that of t, at most the window's length"


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One operation of one entity's source over a window."""

    entity: Entity
    source: Source
    operation: Operation
    window: Window

    @property
    def age(self) -> timedelta:
        """How old the window's newest events are."""
        delay = LABEL_DELAY if self.source is Source.MATURED else timedelta()
        return self.window.shift + delay

    @property
    def warm_up(self) -> timedelta:
        """How long after the first transaction of all the window is full."""
        delay = timedelta() if self.source is Source.TRANSACTIONS else LABEL_DELAY
        return self.window.shift + self.window.length + delay


class RequestValue(StrEnum):
    """A request-time value, in UTC: weekend is days 6 and 7, night hours 0 to 6."""

    AMOUNT = "amount in minor units"
    WEEKEND = "on a weekend"
    NIGHT = "at night"


@dataclass(frozen=True, slots=True)
class Derivation:
    """A ratio: one formula divided by another; 0 where the divisor is 0."""

    dividend: "Formula"
    divisor: "Formula"


Formula = RequestValue | Aggregation | Derivation


@dataclass(frozen=True, slots=True)
class Feature:
    """A named number of the feature vector.

    Attributes:
        name, unit, formula: What it is.
        since: The first version of the schema that has it; None if the oldest has it.
        until: The first version that has it no more; None if the newest has it. A changed feature
            is declared twice: the old one until a version, the new one since it.
    """

    name: str
    unit: str
    formula: Formula
    since: str | None = None
    until: str | None = None

    @property
    def aggregations(self) -> tuple[Aggregation, ...]:
        """The aggregations that the feature is made of."""
        return tuple(part for part in _parts(self.formula) if isinstance(part, Aggregation))

    @property
    def stored_for(self) -> Entity | None:
        """The entity whose feature group can hold the value; None if the request is needed too."""
        entities = {each.entity for each in self.aggregations}
        uses_request = any(isinstance(part, RequestValue) for part in _parts(self.formula))
        return entities.pop() if len(entities) == 1 and not uses_request else None

    @property
    def owner(self) -> Entity:
        """Whose behaviour the feature tells of: records of one owner are alike."""
        return TERMINAL if {each.entity for each in self.aggregations} == {TERMINAL} else CUSTOMER

    @property
    def warm_up(self) -> timedelta:
        """How much history it takes until the feature means what it says."""
        return max((each.warm_up for each in self.aggregations), default=timedelta())

    @property
    def follows_calendar(self) -> bool:
        """Whether the feature changes with the day or the hour, without any change of behaviour.

        After a night the last transaction is always long ago.
        """
        if any(each.operation is Operation.SINCE_LAST for each in self.aggregations):
            return True
        return self.formula in (RequestValue.WEEKEND, RequestValue.NIGHT)

    @property
    def store_type(self) -> str:
        """The Feature Store type of the value."""
        return "Fractional" if isinstance(self.formula, Derivation) else "Integral"


def _parts(formula: Formula) -> tuple[RequestValue | Aggregation, ...]:
    if isinstance(formula, Derivation):
        return _parts(formula.dividend) + _parts(formula.divisor)
    return (formula,)
