"""Firehose's delivery streams to S3: buffered, transformed, partitioned and converted.

ministack writes an object per record. Here records are buffered as BufferingHints say; what is put
directly is in the log of all streams' records before it is answered for.
"""

import threading
from dataclasses import dataclass, field
from typing import Any

from local_aws import adapter
from local_aws.adapter import firehose, kinesis
from local_aws.firehose import settings as read_settings
from local_aws.firehose.delivery import DIRECT, Delivery, open_sources
from local_aws.firehose.permissions import source_denied, table_denied
from local_aws.firehose.schema import SettingsError
from local_aws.firehose.settings import DeliverySettings
from local_aws.settings import ACCOUNT, REGION
from local_aws.streams.record import Entry, sequence_number
from local_aws.streams.records import RecordLog

# Of the time that an orderly stop has; consumers of streams have stopped by then.
FLUSH_SECONDS = 6.0
MOST_BYTES = 1000 * 1024

DeliveryStream = dict[str, Any]


def install(log: RecordLog, endpoint_url: str) -> None:
    """Take delivery streams to S3 over from ministack.

    Args:
        log: The records of all streams.
        endpoint_url: Where the embedded AWS listens.
    """
    service = Deliveries(log, endpoint_url)
    firehose.take_over(
        firehose.Hooks(
            refusal=service.refusal,
            created=service.created,
            put=service.put,
            deleting=service.deleting,
        )
    )
    adapter.on_start(service.start_all)
    adapter.on_stop_requested(service.finish_all)


@dataclass(slots=True)
class Deliveries:
    """The threads of all delivery streams.

    Args:
        log: The records.
        endpoint_url: Where the embedded AWS listens.
    """

    log: RecordLog
    endpoint_url: str
    threads: dict[str, Delivery] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def refusal(self, stream: DeliveryStream) -> str | None:
        """Why a delivery stream cannot be, or None."""
        try:
            settings = read_settings.read(stream)
        except SettingsError as error:
            return str(error)
        if settings.source is not None and kinesis.get_stream(settings.source) is None:
            return f"Kinesis Stream: {settings.source} not found"
        return source_denied(settings) or table_denied(settings)

    def created(self, stream: DeliveryStream) -> None:
        """Start a new delivery stream."""
        open_sources(self.log, read_settings.read(stream))
        self._start(stream)

    def put(self, stream: DeliveryStream, records: list[bytes]) -> list[str]:
        """Keep records that are put directly."""
        for data in records:
            if len(data) > MOST_BYTES:
                raise ValueError(f"Record must have {MOST_BYTES} bytes at most, got {len(data)}")
        name = read_settings.read(stream).log_name
        positions = self.log.append(name, [Entry(DIRECT, "", data) for data in records])
        return [sequence_number(position) for position in positions]

    def deleting(self, stream: DeliveryStream) -> None:
        """Deliver what is buffered before a delivery stream goes."""
        with self.lock:
            thread = self.threads.pop(stream["arn"], None)
        if thread is not None:
            thread.finish(FLUSH_SECONDS)
            thread.join(FLUSH_SECONDS + 1)
        name = read_settings.read(stream).log_name
        self.log.forget_consumer(name)
        self.log.forget_stream(name)

    def start_all(self) -> None:
        """Start the delivery streams of the state that was loaded."""
        with adapter.request_scope(ACCOUNT, REGION):
            for stream in firehose.delivery_streams():
                self._start(stream)

    def finish_all(self) -> None:
        """Deliver everything that is buffered."""
        with self.lock:
            threads = list(self.threads.values())
        for thread in threads:
            thread.finish(FLUSH_SECONDS)
        for thread in threads:
            thread.join(FLUSH_SECONDS + 1)

    def _start(self, stream: DeliveryStream) -> None:
        name, created = stream["name"], stream["created_at"]

        def current() -> DeliverySettings | None:
            found = firehose.find(name)
            if found is None or found["created_at"] != created:
                return None
            return read_settings.read(found)

        with self.lock:
            thread = Delivery(self.log, current, self.endpoint_url)
            self.threads[stream["arn"]] = thread
            thread.start()
