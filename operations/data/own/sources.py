"""Which of a file's columns each of the lake's is made of, and which are beside them."""

import difflib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from operations.data.own.mapping import IDS, LAKE_COLUMNS, FileMapping
from pipeline_code.check.findings import Findings
from pipeline_code.landing import REQUIRED

__all__ = ["ColumnSources"]

# What files often call the lake's columns, for a proposal; nothing is mapped by it.
_OFTEN = {
    "event_time": "time|date|^ts$|stamp|^step$",
    "customer_id": "card|customer|client|account|user|cc_num|^nameorig|holder",
    "terminal_id": "merchant|terminal|shop|store|^namedest|payee|beneficiary",
    "amount": "amount|amt|value|sum$",
    "is_fraud": "fraud|^class$|label|charge_?back|^target$",
}
_LABELS = {"is_fraud", "fraud_scenario", "report_time"}


@dataclass(frozen=True, slots=True, eq=False)
class ColumnSources:
    """The assignment for one file.

    Attributes:
        table: The file's rows.
        columns: Of each of the lake's columns that is there, the file's.
        constants: Of each that is the same everywhere, its value.
    """

    table: pa.Table
    columns: Mapping[str, Sequence[str]]
    constants: Mapping[str, object]

    @classmethod
    def find(
        cls, file: str, table: pa.Table, mapping: FileMapping, findings: Findings
    ) -> "ColumnSources":
        """Looks for every column; what is not there as it should be is a finding."""
        names, constants = table.column_names, mapping.constants
        own = {name: (name,) for name in LAKE_COLUMNS if name in names and name not in constants}
        wanted = {**own, **mapping.columns}
        for rule, message in _faults(names, wanted, constants):
            findings.add(rule, file, None, message)
        known = {
            name: tuple(wanted[name])
            for name in LAKE_COLUMNS
            if name in wanted and {*wanted[name]} <= {*names}
        }
        return cls(table, known, constants)

    @property
    def names(self) -> list[str]:
        """The lake's columns that can be made."""
        return [name for name in LAKE_COLUMNS if name in self.columns or name in self.constants]

    @property
    def words(self) -> dict[str, str]:
        """What each of the lake's columns is made of, for people."""
        found = {name: " + ".join(self.columns[name]) for name in self.columns}
        found |= {name: f"always {value}" for name, value in self.constants.items()}
        return {name: found[name] for name in LAKE_COLUMNS if name in found}

    @property
    def hint(self) -> str | None:
        """What to look at where nothing says which transactions are frauds."""
        if not self.names or _LABELS & {*self.names}:
            return None
        proposal = _proposal("is_fraud", self.table.column_names, self.columns)
        return f"no column says which transactions are frauds; such as {proposal}"

    def given(self, name: str) -> pa.Array:
        """A column's values as the file has them; those of several of its columns are joined."""
        if name in self.constants:
            return pa.repeat(str(self.constants[name]), self.table.num_rows)
        parts = [_array(self.table, each) for each in self.columns[name]]
        if len(parts) == 1:
            return parts[0]
        texts = [part.cast(pa.string()) for part in parts]
        if name not in IDS:
            return pc.binary_join_element_wise(*texts, " ")
        # "1" and "23" are not "12" and "3", and one of them may be missing.
        joined = pc.binary_join_element_wise(*texts, "|", null_handling="replace")
        return pc.if_else(pc.is_valid(pc.coalesce(*texts)), joined, None)

    def beside(self, leave_out: Sequence[str], *, transactions: bool) -> dict[str, pa.ChunkedArray]:
        """The columns that the lake does not have, by the file's names.

        Args:
            leave_out: Columns that are not wanted.
            transactions: Whether what the file calls transactions is among them.
        """
        used = {
            each
            for name, theirs in self.columns.items()
            for each in theirs
            if not (transactions and name == "transaction_id")
        }
        return {
            # What joins them has that name.
            "transaction_id (file)" if name == "transaction_id" else name: self.table[name]
            for name in self.table.column_names
            if name not in {*used, *leave_out}
        }


def _faults(
    names: Sequence[str], wanted: Mapping[str, Sequence[str]], constants: Mapping[str, object]
) -> Iterator[tuple[str, str]]:
    for name, theirs in wanted.items():
        for each in dict.fromkeys(theirs):
            if each not in names:
                near = difflib.get_close_matches(each, names, n=1)
                hint = f"; is it {near[0]}?" if near else ""
                message = f"column {each} of {name} must be in the file, got {', '.join(names)}"
                yield "missing_column", message + hint
    for name in LAKE_COLUMNS:
        if name not in wanted and f"{name} (2)" in names:
            message = f"column {name} must be present once, or mapped: --map '{name} (1)={name}'"
            yield "duplicate_column", message
    lacking = [name for name in REQUIRED if name not in {*wanted, *constants, "transaction_id"}]
    if lacking:
        meant = [*lacking, *([] if _LABELS & wanted.keys() else ["is_fraud"])]
        options = " ".join(_proposal(name, names, wanted) for name in meant)
        message = f"column {', '.join(lacking)} must be present or mapped, got columns "
        message += f"{', '.join(names)}; such as {options}"
        if "terminal_id" in lacking:
            message += "; if there are no terminals, --set constants.terminal_id=0"
        yield "missing_column", message


def _proposal(name: str, names: Sequence[str], wanted: Mapping[str, Sequence[str]]) -> str:
    """An option for a column that may be meant."""
    used = {each for theirs in wanted.values() for each in theirs}
    found = [each for each in names if each not in used and re.search(_OFTEN[name], each, re.I)]
    theirs = found[0] if found else "THEIRS"
    return f"--map {shlex.quote(f'{theirs}={name}')}"


def _array(table: pa.Table, name: str) -> pa.Array:
    column = table[name].combine_chunks()
    return pa.array([], column.type) if isinstance(column, pa.ChunkedArray) else column
