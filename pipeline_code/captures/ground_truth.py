"""The ground truth of predictions, laid out as Model Monitor wants it.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-merge.html

    yyyy/mm/dd/hh/<name>.jsonl, a line a prediction, by the hour in which it was made:
    {"groundTruthData": {"data": "1", "encoding": "CSV"}, "eventMetadata": {"eventId": "17"},
     "eventVersion": "0"}

A line that cannot be read is never taken for a prediction that nobody has judged: it is refused,
named with its file.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_code.captures.chunks import Chunk
from pipeline_code.captures.hour_files import HourFiles, hour_files
from pipeline_code.captures.interval import Interval
from pipeline_code.common.exits import BadInput

__all__ = ["FRAUD", "GENUINE", "UNKNOWN", "LabelledRecords", "parse", "render", "with_labels"]

Labels = npt.NDArray[np.int8]

FRAUD, GENUINE, UNKNOWN = 1, 0, -1
# What others write for the two classes.
CLASSES = {"1": FRAUD, "0": GENUINE, "1.0": FRAUD, "0.0": GENUINE}
# Of merged captures, which bring their labels.
LABEL = "label"
HOUR = timedelta(hours=1)
MICROSECONDS_PER_HOUR = 3_600_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Captures come about in order of time: more hours are not needed at once.
HOURS_KEPT = 4


@dataclass(frozen=True, slots=True, eq=False)
class LabelledRecords:
    """Some records and what became of them.

    Attributes:
        chunk: The records, with their predictions.
        labels: By record: 1 fraud, 0 not, -1 not known yet.
    """

    chunk: Chunk
    labels: Labels

    @property
    def predictions(self) -> pa.Table:
        """By record, what was predicted."""
        return predictions_of(self.chunk)


def with_labels(
    chunks: Iterable[Chunk], source: str | Path, interval: Interval
) -> Iterator[LabelledRecords]:
    """Joins predictions with the ground truth of their hours, a few hours at a time.

    Args:
        chunks: Read with predictions. Merged captures bring their labels, and nothing is joined.
        source: The folder, or `s3://bucket/prefix`, of ground truth.
        interval: Of whose hours ground truth is read; the predictions are of it.

    Raises:
        BadInput: A line is no ground truth, or two lines say different things of one prediction.
    """
    truth = _Hours(hour_files(source), interval)
    for chunk in chunks:
        predictions = predictions_of(chunk)
        if LABEL in predictions.column_names:
            merged = pc.fill_null(predictions[LABEL], UNKNOWN).to_numpy().astype(np.int8)
            yield LabelledRecords(chunk, merged)
        else:
            yield LabelledRecords(chunk, truth.labels(predictions))


def predictions_of(chunk: Chunk) -> pa.Table:
    """The predictions of a chunk that was read with them."""
    if chunk.predictions is None:
        raise ValueError("chunks must be read with predictions, got none; ask the reader for them")
    return chunk.predictions


@dataclass(slots=True)
class _Hours:
    """The ground truth of the hours that were asked for last."""

    files: HourFiles
    interval: Interval
    _kept: OrderedDict[int, pa.Table] = field(default_factory=OrderedDict)

    def labels(self, predictions: pa.Table) -> Labels:
        """What is known of each prediction."""
        times = predictions["inference_time"].cast(pa.int64()).to_numpy()
        hours = times // MICROSECONDS_PER_HOUR
        labels = np.full(len(hours), UNKNOWN, np.int8)
        for hour in np.unique(hours).tolist():
            rows = np.flatnonzero(hours == hour)
            known = self._of(hour)
            if known.num_rows == 0:
                continue
            ids = predictions["label_id"].take(pa.array(rows))
            places = pc.index_in(ids, value_set=known["label_id"])
            found = pc.take(known["label"], places).combine_chunks()
            labels[rows] = pc.fill_null(found, UNKNOWN).to_numpy(zero_copy_only=False)
        return labels

    def _of(self, hour: int) -> pa.Table:
        if hour not in self._kept:
            start = EPOCH + hour * HOUR
            self._kept[hour] = _table({}) if self._outside(start) else self._read(start)
            if len(self._kept) > HOURS_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(hour)
        return self._kept[hour]

    def _outside(self, start: datetime) -> bool:
        after, before = self.interval.start, self.interval.end
        return (after is not None and start + HOUR <= after) or (
            before is not None and start >= before
        )

    def _read(self, hour: datetime) -> pa.Table:
        labels: dict[str, int] = {}
        for name, content in self.files.read_all(hour):
            parse(content, name, labels)
        return _table(labels)


def _table(labels: Mapping[str, int]) -> pa.Table:
    return pa.table(
        {
            "label_id": pa.array(list(labels), pa.string()),
            "label": pa.array(list(labels.values()), pa.int8()),
        }
    )


def parse(content: bytes, name: str, labels: dict[str, int]) -> None:
    """Adds the labels of a file, which messages call `name`, to those that are known.

    Raises:
        BadInput: A line is no ground truth, or contradicts what is known.
    """
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            id_, label = _parsed(orjson.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            got = line[:80].decode(errors="replace")
            raise BadInput(
                f"{name}, line {number}: must be ground truth of 0 or 1 with an eventId, "
                f"got {got!r}"
            ) from error
        if labels.setdefault(id_, label) != label:
            raise BadInput(
                f"{name}, line {number}: must not contradict an earlier line, got {label} "
                f"for {id_!r}"
            )


def _parsed(document: Any) -> tuple[str, int]:
    label = CLASSES[str(document["groundTruthData"]["data"]).strip()]
    id_ = document["eventMetadata"]["eventId"]
    if not isinstance(id_, str) or not id_:
        raise TypeError("eventId must be text")
    return id_, label


def render(labels: Mapping[str, int]) -> bytes:
    """A file of ground truth; the same labels give the same bytes."""
    return b"".join(
        orjson.dumps(
            {
                "groundTruthData": {"data": str(label), "encoding": "CSV"},
                "eventMetadata": {"eventId": id_},
                "eventVersion": "0",
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )
        for id_, label in sorted(labels.items())
    )
