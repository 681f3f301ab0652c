"""What a user's file calls the lake's columns, and how it writes them.

A mapping file is TOML or JSON:

    [columns]                       # the lake's column = the file's, or some of them
    transaction_id = "trans_num"
    event_time = ["day", "time"]
    customer_id = "card_no"
    terminal_id = "merchant"
    amount = "amt"
    is_fraud = "is_fraud"

    [time]
    zone = "Europe/Berlin"
    format = "%d.%m.%Y %H:%M"

docs/own-data.md has all that it may say.
"""

from datetime import datetime, timedelta
from functools import cache
from typing import Annotated, Any, Literal

import duckdb
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from pipeline_code.common.money import CURRENCY
from pipeline_code.landing import OPTIONAL, REPORT_DELAY, REQUIRED

__all__ = ["UNITS", "Amounts", "FileMapping", "Frauds", "Times"]

LAKE_COLUMNS = (*REQUIRED, *OPTIONAL)
# What a number counts, and how many microseconds one is.
UNITS = {
    "microseconds": 1,
    "milliseconds": 1_000,
    "seconds": 1_000_000,
    "minutes": 60_000_000,
    "hours": 3_600_000_000,
    "days": 86_400_000_000,
}
_SINCE_1970 = ("seconds", "milliseconds", "microseconds")
IDS = ("transaction_id", "customer_id", "terminal_id")


def _listed(value: Any) -> Any:
    """One value stands for a list of it."""
    return value if isinstance(value, list | tuple) else (value,)


@cache
def _zones() -> frozenset[str]:
    """The names of all time zones: not this machine's, which may have none."""
    with duckdb.connect() as database:
        return frozenset(
            name for (name,) in database.sql("SELECT name FROM pg_timezone_names()").fetchall()
        )


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError(f"must be a time zone such as Europe/Berlin, got {name!r}")
    return name


def _time_format(text: str) -> str:
    unit, _, since = text.partition(" since ")
    if "%" not in text and (unit not in UNITS or (not since and unit not in _SINCE_1970)):
        raise ValueError(
            f"must be {', '.join(_SINCE_1970)}, hours since 2024-01-01, say, or a format such as "
            f"%d.%m.%Y %H:%M, got {text!r}"
        )
    if since:
        datetime.fromisoformat(since)
    return text


Names = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
Zone = Annotated[str, AfterValidator(_zone)]
TimeFormat = Annotated[str, AfterValidator(_time_format)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Times(_Part):
    """How times are written.

    Attributes:
        zone: Where the clock hangs that wrote those without a zone.
        format: Formats as of strftime, of which a time is in one; or what a number counts: seconds,
            say, which are since 1970, or `hours since 2024-01-01`.
    """

    zone: Zone = "UTC"
    format: Annotated[tuple[TimeFormat, ...], BeforeValidator(_listed)] = ()


class Amounts(_Part):
    """How amounts are written.

    Attributes:
        decimal: What is before the decimals.
        thousands: What is between groups of digits, if anything.
        currency: That of all amounts, by its code or its sign; it is the lake's own.
        minor: Whether they count cents.
        round: Whether more than two decimals are rounded.
        negative: What becomes of rows with less than nothing: refunds, say.
    """

    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", " ", "'"] = ""
    currency: Annotated[str, Field(min_length=1)] = CURRENCY
    minor: bool = False
    round: bool = False
    negative: Literal["refuse", "leave out"] = "refuse"


class Frauds(_Part):
    """How frauds are marked.

    Attributes:
        values: What `is_fraud` is for a fraud; everything else is none. If omitted, 1, true or yes
            are, and 0, false or no are none.
        report_delay_days: When a fraud without a report time counts as reported.
    """

    values: Annotated[tuple[str | int | bool, ...], BeforeValidator(_listed)] = ()
    report_delay_days: Annotated[float, Field(ge=0)] = REPORT_DELAY / timedelta(days=1)


class CsvForm(_Part):
    """How a CSV file is written; of others, nothing has to be said."""

    delimiter: Annotated[str | None, Field(min_length=1, max_length=1)] = None
    encoding: str = "utf-8"


class FileMapping(_Part):
    """A mapping.

    Attributes:
        columns: Of each of the lake's columns, the file's; several are joined. Those that are not
            here are called as in the lake.
        constants: Columns that the file does not have.
        hash: Ids that are but names even where they are numbers, such as those of cards.
        leave_out: Columns that are not kept beside the lake's.
    """

    columns: dict[str, Names] = Field(default_factory=dict)
    constants: dict[str, str | int | float | bool] = Field(default_factory=dict)
    hash: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    leave_out: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    time: Times = Times()
    amount: Amounts = Amounts()
    fraud: Frauds = Frauds()
    csv: CsvForm = CsvForm()

    @field_validator("columns", "constants", "hash")
    @classmethod
    def _check_names(cls, part: Any, info: ValidationInfo) -> Any:
        """Names that the lake does not have."""
        allowed = IDS if info.field_name == "hash" else LAKE_COLUMNS
        wrong = [name for name in part if name not in allowed]
        if wrong:
            more = '; the lake\'s name is first: customer_id = "card_no"'
            raise ValueError(
                f"must name {', '.join(allowed)}, got {', '.join(wrong)}"
                f"{'' if info.field_name == 'hash' else more}"
            )
        return part
