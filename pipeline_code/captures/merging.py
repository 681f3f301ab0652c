"""Puts the records of a block together, in the order of its lines, whichever way each was read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_code.captures import kernel
from pipeline_code.captures.chunks import Chunk
from pipeline_code.captures.rows import RecordFilter, Rows, in_order
from pipeline_code.captures.scan import ScanResult
from pipeline_code.captures.templates import (
    CUSTOMER,
    EVENT,
    ID_BEGIN,
    ID_END,
    INFERENCE,
    SCORE,
    TERMINAL,
    TRANSACTION,
    Template,
)

__all__ = ["Merging"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
MICROSECONDS = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True, eq=False)
class Merging:
    """One block's records.

    Args:
        wanted: What of them.
        scanned: The lines of templates.
        taken: Lines of templates that are wanted records.
        counts: By line, how many wanted records it is.
        others: The records of all other lines.
        rows: The row of each feature's numbers.
    """

    wanted: RecordFilter
    scanned: ScanResult
    taken: Ints
    counts: Ints
    others: Rows
    rows: dict[str, int]

    def chunk(self) -> Chunk:
        """All of them."""
        others = self.others.chunk()
        if not len(self.taken):
            return others
        names = in_order([*others.names, *(n for t in self._templates() for n in t.features)])
        values, wrong = self._values(names, others)
        given = np.count_nonzero(~np.isnan(values), axis=1) + wrong
        predictions, schema = None, self.wanted.schema
        if schema is not None:
            predictions = pa.concat_tables([self._predictions(schema), others.predictions])
            if others.records:
                predictions = predictions.take(np.argsort(self._places(), kind="stable"))
        return Chunk(names, values, values.shape[1] - given, wrong, predictions)

    def _templates(self) -> list[Template]:
        """The templates that occur."""
        templates = self.scanned.packed.templates
        return [templates[place] for place in np.unique(self.scanned.templates[self.taken])]

    def _places(self) -> Ints:
        """Where each record goes, those of templates first."""
        ends = np.cumsum(self.counts)
        ours = ends[self.taken] - 1
        is_other = np.ones(int(ends[-1]), np.bool_)
        is_other[ours] = False
        return np.concatenate([ours, np.flatnonzero(is_other)])

    def _values(self, names: tuple[str, ...], others: Chunk) -> tuple[Floats, Ints]:
        """Numbers by name and record, and how many are something else."""
        rows = [self.rows.get(name, SCORE) for name in names]
        # Of what no template here has, any row will do.
        found = self.scanned.numbers[
            [row if row < len(self.scanned.numbers) else 0 for row in rows]
        ]
        if len(self.taken) < found.shape[1]:
            found = found[:, self.taken]
        of = self.scanned.templates[self.taken]
        for place, template in enumerate(self.scanned.packed.templates):
            lines = np.flatnonzero(of == place)
            for row, name in enumerate(names):
                if name not in template.features:
                    found[row, lines] = np.nan
        wrong = np.zeros(len(names), np.int64)
        if not others.records:
            return found, wrong
        places, ours = self._places(), found.shape[1]
        values = np.full((len(names), len(places)), np.nan)
        values[:, places[:ours]] = found
        for name, row, count in zip(others.names, others.values, others.wrong, strict=True):
            place = names.index(name)
            values[place, places[ours:]] = row
            wrong[place] = count
        return values, wrong

    def _predictions(self, schema: pa.Schema) -> pa.Table:
        """What was predicted by the lines of templates."""
        scanned, taken = self.scanned, self.taken
        wholes = scanned.wholes[:, taken]
        numbered, asked = self._said(lambda t: t.numbered), self._said(lambda t: t.asked)
        columns = {
            "label_id": self._label_ids(),
            "inference_time": _times(wholes[INFERENCE], None),
            "transaction_id": pa.array(wholes[TRANSACTION], mask=~numbered),
            "event_time": _times(wholes[EVENT], ~asked),
            "customer_id": pa.array(wholes[CUSTOMER], mask=~asked),
            "terminal_id": pa.array(wholes[TERMINAL], mask=~asked),
            "score": pa.array(scanned.numbers[SCORE, taken]),
            "decision": self._texts(lambda t: t.decision, pa.string()),
            "degraded": self._texts(lambda t: t.degraded, pa.bool_()),
            "model_version": self._texts(lambda t: t.version, pa.string()),
            "label": self._texts(lambda t: t.label, pa.int8()),
        }
        return pa.table({name: columns[name] for name in schema.names}, schema=schema)

    def _said(self, what: Callable[[Template], bool]) -> npt.NDArray[np.bool_]:
        by_template = np.array([what(t) for t in self.scanned.packed.templates], np.bool_)
        said: npt.NDArray[np.bool_] = by_template[self.scanned.templates[self.taken]]
        return said

    def _texts(self, what: Callable[[Template], Any], kind: pa.DataType) -> pa.Array:
        by_template = pa.array([what(t) for t in self.scanned.packed.templates], kind)
        return by_template.take(pa.array(self.scanned.templates[self.taken]))

    def _label_ids(self) -> pa.Array:
        named = self._said(lambda template: template.named)
        begins = self.scanned.wholes[ID_BEGIN, self.taken]
        lengths = np.where(named, self.scanned.wholes[ID_END, self.taken] - begins, 0)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        found = np.empty(int(offsets[-1]), np.uint8)
        kernel.gather(begins, offsets, found)
        texts = pa.StringArray.from_buffers(len(named), pa.py_buffer(offsets), pa.py_buffer(found))
        return texts if named.all() else pc.if_else(pa.array(named), texts, None)


def _times(times: Ints, unknown: npt.NDArray[np.bool_] | None) -> pa.Array:
    return pa.array(times, mask=unknown).cast(MICROSECONDS)
