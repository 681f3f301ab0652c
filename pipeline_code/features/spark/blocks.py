"""The blocks by which shards travel through Spark, and the errors of tasks travel back.

A shard's rows go as blocks, packed as on the batch driver's disk. To Spark a block is one row of
two columns, so it moves memory, and looks at no transaction.
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
from pipeline_code.features.files.packing import AS_THEY_ARE, NO_TOTALS, Packing
from pipeline_code.features.grouping import shard_of

__all__ = ["BLOCKS", "TaskFailed", "blocks", "by_shard", "raised_here", "raised_there", "unpacked"]

Ints = npt.NDArray[np.int64]

BLOCKS = pa.schema([("shard", pa.int32()), ("block", pa.binary())])
# An Arrow column of bytes holds 2 GiB: a million rows of today's columns are a tenth of it.
BATCH_ROWS = 1 << 20
TOLD = re.compile(r'RemoteTaskError: (\[".*"\])')


class TaskFailed(Exception):  # noqa: N818 - reads as what happened
    """A task failed on one of the hosts, and not by its input; the message says how."""


class RemoteTaskError(Exception):
    """An error's kind and message as JSON, which stays on one line of the traceback's text."""


def blocks(
    packing: Packing,
    columns: Ints,
    owners: Ints,
    shards: int,
    order: Ints = AS_THEY_ARE,
    totals: Ints = NO_TOTALS,
) -> Iterator[pa.RecordBatch]:
    """Rows as blocks by the shard of their owners.

    Args:
        packing: How they are packed.
        columns: What the rows are made of [a row a column].
        owners: Each row's owner, in the order of the next.
        shards: How many shards there are.
        order: In which order the rows go; to be given for more than BATCH_ROWS rows.
        totals: What else each row carries [a row each], in that order.
    """
    for start in range(0, len(owners), BATCH_ROWS):
        some = slice(start, start + BATCH_ROWS)
        shard = shard_of(owners[some], shards)
        packed = list(packing.pack(columns, shard, shards, order[some], totals[some]))
        names = pa.array([name for name, _ in packed], pa.int32())
        parts = pa.array([rows.tobytes() for _, rows in packed], pa.binary())
        yield pa.record_batch([names, parts], schema=BLOCKS)


def unpacked(packing: Packing, table: pa.Table) -> tuple[Ints, Ints]:
    """The columns and the totals of the rows that blocks hold, one block after the other."""
    return packing.unpack(np.frombuffer(block.as_buffer(), np.int32) for block in table["block"])


def by_shard(frame: DataFrame, shards: int) -> GroupedData:
    """Blocks with each shard in a partition of its own; hashing would leave some cores idle."""
    return frame.repartitionById(shards, "shard").groupBy("shard")


@contextmanager
def raised_there() -> Iterator[None]:
    """In a task: an error is told in a way that `raised_here` understands."""
    try:
        yield
    except Exception as error:
        raise RemoteTaskError(json.dumps([type(error).__name__, str(error)])) from error


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
