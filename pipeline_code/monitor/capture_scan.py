"""Scans lines with the templates that were learned so far, and learns further ones on the way."""

import threading
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from pipeline_code.common.exits import BadInput
from pipeline_code.common.probes import PROBE_INFERENCE_PREFIX
from pipeline_code.monitor import capture_kernel as kernel
from pipeline_code.monitor.captures import Interval
from pipeline_code.monitor.chunks import Tally
from pipeline_code.monitor.exchanges import exchange_of
from pipeline_code.monitor.rows import Rows, Wanted
from pipeline_code.monitor.templates import IDS, TIMES, Template, learn

__all__ = ["Scanned", "Templates"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Versions, decisions and reasons make some dozens; beyond, lines are too different to be learned.
MOST_TEMPLATES = 128
PROBE = np.frombuffer(bytearray(PROBE_INFERENCE_PREFIX.encode()), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """Templates as a scan takes them."""

    templates: tuple[Template, ...]
    fixed: npt.NDArray[np.uint8]
    parts: Ints
    slots: Ints
    firsts: Ints
    rows: int

    @classmethod
    def of(cls, templates: tuple[Template, ...], rows: int) -> "Packed":
        """These templates, whose numbers go to so many rows."""
        parts = [part for template in templates for part in template.parts]
        slots = [slot for template in templates for slot in template.slots]
        return cls(
            templates,
            np.frombuffer(bytearray(b"".join(parts)), np.uint8),
            np.cumsum([0, *map(len, parts)], dtype=np.int64),
            np.array(slots, np.int64).reshape(-1, 2),
            np.cumsum([0, *(len(t.slots) for t in templates)], dtype=np.int64),
            rows,
        )


@dataclass(slots=True, eq=False)
class Scanned:
    """What was read of some lines.

    Attributes:
        data: The lines.
        packed: The templates that they are of.
        numbers, integers, times: By row (`templates`) and line.
        names: Where each line's inference id begins and ends.
        begins: Where each line begins.
        templates: Of which template each is, or UNKNOWN.
    """

    data: npt.NDArray[np.uint8]
    packed: Packed
    numbers: Floats
    integers: Ints
    times: Ints
    names: Ints
    begins: Ints
    templates: Ints

    @classmethod
    def of(cls, data: bytearray, packed: Packed) -> "Scanned":
        """Nothing read yet."""
        lines = data.count(b"\n") + (not data.endswith(b"\n") and len(data) > 0)
        return cls(
            data=np.frombuffer(data, np.uint8),
            packed=packed,
            numbers=np.empty((packed.rows, lines)),
            integers=np.empty((IDS, lines), np.int64),
            times=np.empty((TIMES, lines), np.int64),
            names=np.empty((2, lines), np.int64),
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
        packed, numbers = self.packed, self.numbers.reshape(-1)
        kernel.scan(
            self.data,
            *(packed.fixed, packed.parts, packed.slots, packed.firsts, PROBE),
            *(numbers, numbers.view(np.uint64), self.integers, self.times, self.names),
            *(self.begins, self.templates, memory),
        )

    def extend(self, packed: Packed) -> None:
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

    wanted: Wanted
    rows: dict[str, int] = field(default_factory=dict)
    _packed: Packed = field(default_factory=lambda: Packed.of((), 1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def scan(self, data: bytearray) -> Scanned:
        """Reads lines; those that remain unknown are left to the caller."""
        scanned = Scanned.of(data, self._packed)
        memory, passing = np.zeros(4, np.int64), 0
        while True:
            memory[kernel.UNKNOWN_LEFT] = passing
            scanned.run(memory)
            if memory[kernel.UNKNOWN_LEFT] >= 0:
                return scanned
            # The more lines in a row are unlike any other, the fewer of them are looked at.
            stopped = int(memory[kernel.PLACE])
            end = data.find(b"\n", stopped)
            line = bytes(data[stopped:] if end < 0 else data[stopped:end])
            passing = 0 if self._learn(line, scanned) else max(1, 2 * passing)

    def _learn(self, line: bytes, scanned: Scanned) -> bool:
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
            self._packed = Packed.of(learned, 1 + len(self.rows))
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
        scanned = Scanned.of(bytearray(line), Packed.of((template,), 1 + len(self.rows)))
        scanned.run(np.zeros(4, np.int64))
        return bool(scanned.templates[0] != kernel.UNKNOWN)
