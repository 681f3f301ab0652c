"""Powertools' batch processing for a consumer that works on a whole batch at once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord

from pipeline_code.stream.records import Record

__all__ = ["RecordError", "WholeBatchProcessor"]

# Takes a batch's records; answers those that have to be delivered again, with the reason.
Work = Callable[[Sequence[Record]], Mapping[Record, str]]


class RecordError(Exception):
    """Why one record has to be delivered again."""


class WholeBatchProcessor(BatchProcessor):
    """Hands all records of a batch to one function, and reports the failed ones one by one.

    Powertools' own processor calls its handler for each record: a fold of one event reads and
    writes its state, where a fold of a batch does so once for all events of an entity.
    """

    def __init__(self) -> None:
        # A batch that failed whole is reported record by record too: Lambda then delivers it again
        # from the first, and the log holds one line a reason instead of a traceback of each.
        super().__init__(EventType.KinesisDataStreams, raise_on_entire_batch_failure=False)

    def process(self) -> list[tuple[Any, ...]]:
        """Does the work, and notes what became of each record."""
        given = [KinesisStreamRecord(record) for record in self.records]
        records = [Record.of(each) for each in given]
        failed = self.handler(records)
        return [
            self._note(each, failed.get(record))
            for each, record in zip(given, records, strict=True)
        ]

    def _note(self, record: KinesisStreamRecord, reason: str | None) -> tuple[Any, ...]:
        if reason is None:
            return self.success_handler(record, None)
        return self.failure_handler(record, (RecordError, RecordError(reason), None))
