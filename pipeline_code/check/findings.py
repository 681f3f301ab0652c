"""The findings of a check: how often each rule was broken, and where, for some of the times."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_code.common.schema import DATASETS

__all__ = ["Findings", "Report", "Violation"]

EXAMPLES_PER_RULE = 10


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule; `row` counts from 0 within the file, None if it is not about rows.

    The message names no transaction, customer or terminal: it ends in logs and in events, and who
    may read the file finds the row.
    """

    rule: str
    file: str
    row: int | None
    message: str

    def __str__(self) -> str:
        where = self.file if self.row is None else f"{self.file}, row {self.row}"
        return f"{where}: {self.rule}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The outcome of a check.

    `counts` has every broken rule; `violations` holds at most ten examples of each, in the order of
    data sets, files and rows. `notes` counts what is worth knowing and breaks no rule.
    """

    rows: Mapping[str, int]
    files: Mapping[str, int]
    counts: Mapping[str, int]
    violations: Sequence[Violation]
    notes: Mapping[str, int] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """True if no rule was broken."""
        return not self.counts

    def message(self) -> str:
        """The first violation, and how many more there are; one line."""
        if self.passed:
            return "no violations"
        first, total = self.violations[0], sum(self.counts.values())
        text = str(first) if first.row is None else f"{first} (rows count from 0)"
        if total == 1:
            return text
        each = ", ".join(f"{rule} {count}" for rule, count in self.counts.items())
        return f"{text}; and {total - 1} more violations ({each} in all)"

    def document(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return {
            "passed": self.passed,
            "message": self.message(),
            "rows": dict(self.rows),
            "files": dict(self.files),
            "notes": dict(self.notes),
            "violations": {
                rule: {
                    "count": count,
                    "examples": [asdict(found) for found in self.violations if found.rule == rule],
                }
                for rule, count in self.counts.items()
            },
        }


@dataclass(slots=True)
class Findings:
    """Collects violations, counting all of them and keeping a few.

    Attributes:
        numbers: Of a file of which not all rows are looked at, the row in the file of each that is.
    """

    counts: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    kept: dict[str, list[Violation]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)

    def number(self, file: str, row: int) -> int:
        """The row in the file of a row that is looked at; it is another if some were left out."""
        return int(self.numbers[file][row]) if file in self.numbers else row

    def add(self, rule: str, file: str, row: int | None, message: str, *, count: int = 1) -> None:
        """Notes a violation; `count` says for how many rows it stands."""
        self.counts[rule] = self.counts.get(rule, 0) + count
        kept = self.kept.setdefault(rule, [])
        if len(kept) < EXAMPLES_PER_RULE:
            kept.append(Violation(rule, file, row, message))

    def note(self, what: str, count: int = 1) -> None:
        """Counts rows that break no rule, but are worth knowing of."""
        if count:
            self.notes[what] = self.notes.get(what, 0) + count

    def add_rows(
        self,
        rule: str,
        file: str,
        broken: npt.NDArray[np.bool_],
        describe: Callable[[int], str],
        *,
        offset: int = 0,
    ) -> None:
        """Notes a violation for every row that is marked; row 0 of the marks is row `offset`."""
        rows = np.flatnonzero(broken)
        for row in rows[:EXAMPLES_PER_RULE].tolist():
            self.add(rule, file, self.number(file, offset + row), describe(row))
        if len(rows) > EXAMPLES_PER_RULE:
            self.counts[rule] += len(rows) - EXAMPLES_PER_RULE

    def report(self) -> Report:
        """All that was found so far."""
        order = {data.name: index for index, data in enumerate(DATASETS)}
        violations = [violation for kept in self.kept.values() for violation in kept]
        violations.sort(
            key=lambda found: (
                order.get(found.file.split("/", 1)[0], len(order)),
                found.file,
                -1 if found.row is None else found.row,
            )
        )
        return Report(
            rows=dict(self.rows),
            files=dict(self.files),
            counts=dict(self.counts),
            violations=violations,
            notes=dict(self.notes),
        )
