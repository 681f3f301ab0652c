"""The columns of a batch's file, and which of their values break a rule."""

from pipeline_code.batch.tables import AMOUNT, CURRENCY_COLUMN, REQUIRED, FileTable
from pipeline_code.common.columns import Column, amounts, currencies, times, whole_numbers
from pipeline_code.common.fields import NEWEST, OLDEST
from pipeline_code.common.money import LARGEST_MINOR
from pipeline_code.features.events import epoch_microseconds

__all__ = ["currency_of", "read_columns"]


def read_columns(table: FileTable) -> list[Column]:
    """The columns in the order of the lake's schema of transactions."""
    columns = [_column(table, name) for name in REQUIRED]
    return [*columns, _amounts(table)]


def currency_of(table: FileTable) -> Column | None:
    """The currency, in which no other than the lake's own is taken; None if there is none."""
    if CURRENCY_COLUMN not in table.table.column_names:
        return None
    return currencies(CURRENCY_COLUMN, table.table[CURRENCY_COLUMN])


def _column(table: FileTable, name: str) -> Column:
    if name == "event_time":
        limits = epoch_microseconds(OLDEST), epoch_microseconds(NEWEST) - 1
        more = f" from {OLDEST.year} on and before {NEWEST.year}"
        return times(name, table.table[name], limits, more)
    return whole_numbers(name, table.table[name])


def _amounts(table: FileTable) -> Column:
    if AMOUNT in table.table.column_names:
        return amounts(AMOUNT, table.table[AMOUNT])
    return whole_numbers("amount_minor", table.table["amount_minor"], LARGEST_MINOR)
