"""A record of a Kinesis stream as a consumer sees it, whichever service hands it over."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord

from pipeline_code.common.fields import FieldError
from pipeline_code.stream.events import Event, parse

__all__ = ["ParsedRecords", "Record", "sort"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record, and where it came from.

    Args:
        stream: The stream's name.
        shard: The shard's id.
        sequence_number: The record's place in the shard, unique there.
        arrived: When the stream took it.
        data: Its payload.
    """

    stream: str
    shard: str
    sequence_number: str
    arrived: datetime
    data: bytes

    @classmethod
    def of(cls, record: KinesisStreamRecord) -> "Record":
        """The record as Lambda hands it over."""
        payload = record.kinesis
        return cls(
            stream=record.event_source_arn.rpartition("/")[2],
            # shardId-000000000000:49545115243490985018280067714973144582180062593244200961
            shard=record.event_id.partition(":")[0],
            sequence_number=payload.sequence_number,
            arrived=datetime.fromtimestamp(payload.approximate_arrival_timestamp, UTC),
            data=payload.data_as_bytes(),
        )


@dataclass(frozen=True, slots=True)
class ParsedRecords:
    """Records by what became of their reading: the event, or the reason why there is none."""

    events: Mapping[Record, Event]
    refused: Mapping[Record, str]


def sort(records: Iterable[Record]) -> ParsedRecords:
    """Parses every record."""
    events: dict[Record, Event] = {}
    refused: dict[Record, str] = {}
    for record in records:
        try:
            events[record] = parse(record.data, record.arrived)
        except FieldError as error:
            refused[record] = error.reason
    return ParsedRecords(events, refused)
