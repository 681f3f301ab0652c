"""Scans lines with the templates that were learned so far, and learns further ones on the way."""

import threading
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from pipeline_code.captures import kernel
from pipeline_code.captures.chunks import Tally
from pipeline_code.captures.exchanges import exchange_of
from pipeline_code.captures.interval import Interval
from pipeline_code.captures.number_kernel import TABLE
from pipeline_code.captures.rows import RecordFilter, Rows
from pipeline_code.captures.templates import WHOLES, Template, learn
from pipeline_code.captures.words import WORD
from pipeline_code.common.exits import BadInput
from pipeline_code.common.probes import PROBE_INFERENCE_PREFIX

__all__ = ["ScanResult", "Templates"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Versions, decisions and reasons make some dozens; beyond, lines are too different to be learned.
MOST_TEMPLATES = 128
# What begins as a probe's does, as far as a word goes, is left to somebody who looks closely.
_BEGINNING = PROBE_INFERENCE_PREFIX.encode()[:WORD]
PROBE = np.uint64(int.from_bytes(_BEGINNING, "little"))
PROBE_MASK = np.uint64((1 << 8 * len(_BEGINNING)) - 1)


@dataclass(frozen=True, slots=True, eq=False)
class PackedTemplates:
    """Templates as a scan takes them."""

    templates: tuple[Template, ...]
    fixed: npt.NDArray[np.uint8]
    steps: Ints
    firsts: Ints
    rows: int

    @classmethod
    def of(cls, templates: tuple[Template, ...], rows: int) -> "PackedTemplates":
        """These templates, whose numbers go to so many rows."""
        fixed, steps, firsts = bytearray(), list[list[int]](), list[int]()
        for template in templates:
            firsts.append(len(steps))
            slots = [*template.slots, (kernel.END, kernel.NO_TARGET)]
            for part, slot in zip(template.parts, slots, strict=True):
                steps.append([len(fixed), len(part), *slot])
                fixed += part
        return cls(
            templates,
            np.frombuffer(fixed + bytes(WORD), np.uint8),
            np.array(steps, np.int64).reshape(-1, 4),
            np.array(firsts, np.int64),
            rows,
        )


@dataclass(slots=True, eq=False)
class ScanResult:
    """What was read of some lines.

    Attributes:
        data: The lines.
        packed: The templates that they are of.
        numbers, wholes: By row (`templates`) and line.
        begins: Where each line begins.
        templates: Of which template each is, or UNKNOWN.
    """

    data: npt.NDArray[np.uint8]
    packed: PackedTemplates
    numbers: Floats
    wholes: Ints
    begins: Ints
    templates: Ints

    @classmethod
    def of(cls, data: bytearray, packed: PackedTemplates) -> "ScanResult":
        """Nothing read yet; `data` gets a word behind it."""
        lines = data.count(b"\n") + (not data.endswith(b"\n") and len(data) > 0)
        data += bytes(WORD)
        return cls(
            data=np.frombuffer(data, np.uint8)[:-WORD],
            packed=packed,
            numbers=np.empty((packed.rows, lines)),
            wholes=np.empty((WHOLES, lines), np.int64),
            begins=np.empty(lines, np.int64),
            templates=np.full(lines, kernel.UNKNOWN, np.int64),
        )

    def line(self, place: int) -> bytes:
        """A line's bytes."""
        begin = int(self.begins[place])
        last = place + 1 == len(self.begins)
        end = len(self.data) if last else int(self.begins[place + 1])
        return self.data[begin:end].tobytes().rstrip(b"\n")

    def run(self, memory: Ints) -> None:
        """Goes on where it stopped."""
        packed = self.packed
        kernel.scan(
            self.data.ctypes.data,
            len(self.data),
            packed.fixed.ctypes.data,
            packed.steps.ctypes.data,
            packed.firsts,
            self.numbers.ctypes.data,
            self.wholes.ctypes.data,
            TABLE.ctypes.data,
            PROBE,
            PROBE_MASK,
            self.begins,
            self.templates,
            memory,
        )

    def extend(self, packed: PackedTemplates) -> None:
        """Goes on with further templates."""
        more = packed.rows - len(self.numbers)
        if more:
            self.numbers = np.vstack([self.numbers, np.empty((more, len(self.begins)))])
        self.packed = packed


@dataclass(slots=True, eq=False)
class Templates:
    """Templates of the lines of one dataset; several threads may share them.

    Args:
        wanted: What lines are read for.
    """

    wanted: RecordFilter
    rows: dict[str, int] = field(default_factory=dict)
    _packed: PackedTemplates = field(default_factory=lambda: PackedTemplates.of((), 1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def scan(self, data: bytearray) -> ScanResult:
        """Reads lines, which become its own; those that remain unknown are left to the caller."""
        scanned = ScanResult.of(data, self._packed)
        memory, passing = np.zeros(4, np.int64), 0
        while True:
            memory[kernel.UNKNOWN_LEFT] = passing
            scanned.run(memory)
            if memory[kernel.UNKNOWN_LEFT] >= 0:
                return scanned
            # The more lines in a row are unlike any other, the fewer of them are looked at.
            stopped = int(memory[kernel.PLACE])
            end = data.find(b"\n", stopped)
            line = bytes(data[stopped : -WORD if end < 0 else end])
            passing = 0 if self._learn(line, scanned) else max(1, 2 * passing)

    def _learn(self, line: bytes, scanned: ScanResult) -> bool:
        """Whether the line is known from now on."""
        with self._lock:
            if len(self._packed.templates) > len(scanned.packed.templates):
                # Another thread was first; perhaps with this very line.
                scanned.extend(self._packed)
                return True
            if len(self._packed.templates) == MOST_TEMPLATES or not line.strip():
                return False
            try:
                template = self._template(line)
            except (BadInput, UnicodeDecodeError):
                return False  # told when its turn comes
            if template is None or not self._matches(template, line):
                return False
            learned = (*self._packed.templates, template)
            self._packed = PackedTemplates.of(learned, 1 + len(self.rows))
            scanned.extend(self._packed)
            return True

    def _template(self, line: bytes) -> Template | None:
        exchange = exchange_of(line.decode(), "")
        # Only what is a record, whenever and by whom it was answered.
        anything = replace(self.wanted, interval=Interval(), model_version=None)
        if Rows(anything, Tally()).add(exchange) != 1:
            return None
        return learn(line, exchange, self.wanted, self.rows)

    def _matches(self, template: Template, line: bytes) -> bool:
        scanned = ScanResult.of(
            bytearray(line), PackedTemplates.of((template,), 1 + len(self.rows))
        )
        scanned.run(np.zeros(4, np.int64))
        return bool(scanned.templates[0] != kernel.UNKNOWN)
