"""Reads a dataset in chunks: what an endpoint or a batch was asked and answered, by column.

Captures are read in blocks by as many threads as there are cores, and given out in their order; no
more blocks are held than are being read. What cannot be read is never taken for a dataset without
drift: it stops the analysis, named with its file and line.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

from pipeline_code.captures.blocks import blocks_of
from pipeline_code.captures.chunks import Chunk, Tally
from pipeline_code.captures.datasets import DatasetFormat, Kind, dataset_chunks
from pipeline_code.captures.interval import Interval
from pipeline_code.captures.parser import CaptureParser
from pipeline_code.captures.rows import RecordFilter
from pipeline_code.captures.sources import CONNECTIONS, capture_files, open_source

__all__ = ["open_source", "read_chunks"]

Given = TypeVar("Given")
Made = TypeVar("Made")


def read_chunks(
    source: str | Path,
    form: DatasetFormat,
    interval: Interval,
    tally: Tally,
    *,
    model_version: str | None = None,
    with_predictions: bool = False,
) -> Iterator[Chunk]:
    """The records of a dataset, some ten thousand at a time.

    Chunks hold at least one record. The same dataset gives the same chunks.

    Args:
        source: A folder; for captures also an `s3://bucket/prefix/`, of which only the interval's
            hours are read (`open_source` tells which a text is).
        form: What the files are. Merged captures give their labels in a further column `label` of
            the predictions.
        interval: Inference times; of a batch's files, which tell none, everything is read.
        tally: What to count in; it is whole once all chunks are taken.
        model_version: The version whose responses are wanted; others are counted. None is any.
        with_predictions: Whether to tell what was predicted of whom, too; of captures alone.

    Raises:
        BadInput: A file or a line is not of the form, or is not what was captured.
    """
    if form.kind not in (Kind.CAPTURES, Kind.MERGED):
        yield from dataset_chunks(Path(source), form, tally)
        return
    wanted = RecordFilter(
        interval=interval,
        model_version=model_version,
        predictions=with_predictions,
        labels=form.kind is Kind.MERGED,
    )
    parser = CaptureParser(wanted)
    blocks = blocks_of(capture_files(source, interval))
    # Whoever waits for S3 needs no core.
    threads = os.cpu_count() or 1 if isinstance(source, Path) else CONNECTIONS
    for chunk, counted in _in_order(parser.parse, blocks, threads):
        tally.add(counted)
        if chunk.records:
            yield chunk


def _in_order(
    work: Callable[[Given], Made], given: Iterable[Given], threads: int
) -> Iterator[Made]:
    """What the work makes of each, in order; no more are under way than there are threads."""
    remaining = iter(given)
    with ThreadPoolExecutor(threads, thread_name_prefix="captures") as pool:
        waiting: deque[Future[Made]] = deque()
        try:
            for each in islice(remaining, threads):
                waiting.append(pool.submit(work, each))
            while waiting:
                made = waiting.popleft().result()
                for each in islice(remaining, 1):
                    waiting.append(pool.submit(work, each))
                yield made
        finally:
            for future in waiting:
                future.cancel()
