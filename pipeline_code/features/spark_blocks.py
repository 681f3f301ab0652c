"""How shards travel through Spark, and how a task's error travels back.

A shard's rows go as blocks: columns of integers as their bytes. To Spark a block is one row of two
columns, so it moves memory, and looks at no transaction.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.errors import PythonException
from pyspark.sql import DataFrame, GroupedData

from pipeline_code.common.exits import BadInput
from pipeline_code.features.grouping import shard_of

__all__ = ["BLOCKS", "TaskFailed", "blocks", "by_shard", "columns", "raised_here", "raised_there"]

Ints = npt.NDArray[np.int64]

BLOCKS = pa.schema([("shard", pa.int32()), ("block", pa.binary())])
# An Arrow column of bytes holds 2 GiB: a million rows of today's 25 columns are a tenth of it.
BATCH_ROWS = 1 << 20
TOLD = re.compile(r'Told: (\[".*"\])')


class TaskFailed(Exception):  # noqa: N818 - reads as what happened
    """A task failed on one of the hosts, and not by its input; the message says how."""


class Told(Exception):  # noqa: N818 - only carries words from a task to the driver
    """An error's kind and message as JSON, which stays on one line of the traceback's text."""


def blocks(rows: Ints, owners: Ints, shards: int) -> Iterator[pa.RecordBatch]:
    """Rows [a row a column] as blocks by the shard of their owners."""
    for start in range(0, len(owners), BATCH_ROWS):
        some = rows[:, start : start + BATCH_ROWS]
        shard = shard_of(np.ascontiguousarray(owners[start : start + BATCH_ROWS]), shards)
        some = some[:, np.argsort(shard, kind="stable")]
        ends = np.cumsum(np.bincount(shard, minlength=shards))
        starts = np.concatenate([[0], ends[:-1]])
        present = np.flatnonzero(ends > starts)
        parts = [some[:, starts[n] : ends[n]].tobytes() for n in present.tolist()]
        yield pa.record_batch([pa.array(present.astype(np.int32)), pa.array(parts)], schema=BLOCKS)


def columns(table: pa.Table, width: int) -> Ints:
    """The rows [a row a column] that blocks hold, one block after the other."""
    parts = [
        np.frombuffer(block.as_buffer(), np.int64).reshape(width, -1) for block in table["block"]
    ]
    return np.concatenate(parts, axis=1) if parts else np.empty((width, 0), np.int64)


def by_shard(frame: DataFrame, shards: int) -> GroupedData:
    """Blocks with each shard in a partition of its own; hashing would leave some cores idle."""
    return frame.repartitionById(shards, "shard").groupBy("shard")


@contextmanager
def raised_there() -> Iterator[None]:
    """In a task: an error is told in a way that `raised_here` understands."""
    try:
        yield
    except Exception as error:
        raise Told(json.dumps([type(error).__name__, str(error)])) from error


@contextmanager
def raised_here() -> Iterator[None]:
    """In the driver: raises what a task told as BadInput if it was, else as TaskFailed."""
    try:
        yield
    except PythonException as error:
        kind, message = _told(str(error))
        if kind == BadInput.__name__:
            raise BadInput(message) from error
        raise TaskFailed(f"{kind}: {message}") from error


def _told(text: str) -> tuple[str, str]:
    found = TOLD.search(text)
    if found is None:  # it broke outside of our code
        lines = [line for line in text.splitlines() if line.strip()]
        return "PythonException", lines[-1] if lines else "no reason given"
    kind, message = json.loads(found[1])
    return str(kind), str(message)
