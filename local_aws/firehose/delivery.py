"""Reads what a delivery stream gets, buffers it, and writes it to its bucket."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from local_aws import adapter
from local_aws.adapter import kinesis
from local_aws.adapter.functions import mappings
from local_aws.firehose import objects
from local_aws.firehose.as_role import RoleSession
from local_aws.firehose.items import DeliveryBlockedError, Item
from local_aws.firehose.objects import OutputObject
from local_aws.firehose.permissions import object_denied, source_denied
from local_aws.firehose.settings import DeliverySettings
from local_aws.settings import ACCOUNT, REGION
from local_aws.streams.records import RecordLog

logger = logging.getLogger("fraudloop.firehose")

DIRECT = "direct"
READ_AT_ONCE = 5_000
IDLE_SECONDS = 0.5
FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 5.0
PERMISSION_SECONDS = 2.0
METRIC_SECONDS = 15.0


@dataclass(slots=True)
class Source:
    """A shard, and up to where it is in the buffer."""

    name: str
    number: int
    position: int


class Delivery(threading.Thread):
    """A thread that delivers until it is told to finish.

    Positions are committed once all that a buffer became is written, so a kill repeats some
    records and loses none.

    Args:
        log: The records.
        settings: Gives the delivery stream as it is now, or None if it is gone.
        endpoint_url: Where the embedded AWS listens.
    """

    def __init__(
        self, log: RecordLog, settings: Callable[[], DeliverySettings | None], endpoint_url: str
    ) -> None:
        super().__init__(name="delivery", daemon=True)
        self._log = log
        self._current = settings
        self._sources: dict[str, Source] = {}
        self._buffer: list[Item] = []
        self._bytes = 0
        self._finish_by: float | None = None
        self._woken = threading.Event()
        self._as_role = RoleSession(endpoint_url)
        self._checked = 0.0
        self._told = 0.0

    def finish(self, seconds: float) -> None:
        """Have it deliver what there is and end; it gives up after some time."""
        self._finish_by = time.monotonic() + seconds
        self._woken.set()
        self._log.wake()

    def run(self) -> None:
        """Deliver until `finish`, or until the delivery stream is gone."""
        with adapter.request_scope(ACCOUNT, REGION):
            waits = 0
            while (settings := self._current()) is not None:
                finishing = self._finish_by is not None
                try:
                    latest = self._log.last
                    self._fill(settings)
                    if self._buffer and (finishing or self._is_due(settings)):
                        self._deliver(settings)
                        waits = 0
                        continue
                    if finishing:
                        return
                    self._tell(settings)
                    self._log.wait_for_any(latest, self._patience(settings))
                except Exception as error:
                    known = isinstance(error, DeliveryBlockedError)
                    self._as_role.log_error(settings, "HeldUp", str(error))
                    logger.error("%s is held up: %s", settings.name, error, exc_info=not known)
                    if finishing and time.monotonic() > (self._finish_by or 0.0):
                        return
                    if finishing:
                        time.sleep(FIRST_WAIT_SECONDS)
                    self._woken.wait(min(FIRST_WAIT_SECONDS * 2**waits, LONGEST_WAIT_SECONDS))
                    waits += 1

    def _fill(self, settings: DeliverySettings) -> None:
        """Read until the buffer is full or there is nothing more."""
        self._find_sources(settings)
        for source in self._sources.values():
            while self._bytes < settings.buffer_bytes:
                records = self._log.read(source.number, after=source.position, limit=READ_AT_ONCE)
                if not records:
                    break
                for record in records:
                    self._buffer.append(Item(source.name, record, record.data))
                    self._bytes += len(record.data)
                    source.position = record.sequence
                    if self._bytes >= settings.buffer_bytes:
                        break

    def _find_sources(self, settings: DeliverySettings) -> None:
        for stream, name in _shards(settings):
            if name not in self._sources:
                number = self._log.shard(stream, name)
                # A shard that came after the delivery stream is read from its beginning.
                (position,) = self._log.open_lanes(settings.log_name, number, 1, 0)
                self._sources[name] = Source(name, number, position)
        if settings.source is not None and time.monotonic() - self._checked > PERMISSION_SECONDS:
            denied = source_denied(settings)
            if denied is not None:
                raise DeliveryBlockedError(denied)
            self._checked = time.monotonic()

    def _is_due(self, settings: DeliverySettings) -> bool:
        return self._bytes >= settings.buffer_bytes or self._age() >= settings.buffer_seconds

    def _age(self) -> float:
        """Seconds that the oldest buffered record has waited."""
        return time.time() - min(item.record.arrival for item in self._buffer)

    def _patience(self, settings: DeliverySettings) -> float:
        if not self._buffer:
            return IDLE_SECONDS
        return max(0.0, min(IDLE_SECONDS, settings.buffer_seconds - self._age()))

    def _deliver(self, settings: DeliverySettings) -> None:
        started = self._age()
        for made in objects.make(settings, self._buffer):
            self._write(settings, made)
        last: dict[str, int] = {}
        for item in self._buffer:
            last[item.shard] = item.record.sequence
        for name, position in last.items():
            number = self._sources[name].number
            self._log.commit(settings.log_name, number, position)
            if settings.source is None:
                self._log.trim(number, position + 1)
        _metric(settings, "DeliveryToS3.DataFreshness", started, "Seconds")
        _metric(settings, "DeliveryToS3.Records", len(self._buffer), "Count")
        _metric(settings, "DeliveryToS3.Success", 1, "Count")
        self._told = time.monotonic()
        self._buffer, self._bytes = [], 0

    def _write(self, settings: DeliverySettings, made: OutputObject) -> None:
        """Write an object as the role, as often as it takes."""
        waits = 0
        while True:
            try:
                if (denied := object_denied(settings, made.key)) is not None:
                    raise DeliveryBlockedError(denied)
                self._as_role.client(settings, "s3").put_object(
                    Bucket=settings.bucket,
                    Key=made.key,
                    Body=made.body,
                    ContentType="application/octet-stream",
                    **_encryption(settings),
                )
            except Exception as error:
                self._as_role.log_error(settings, "S3.AccessDenied", str(error))
                late = self._finish_by is not None and time.monotonic() > self._finish_by
                if late or self._current() is None:
                    raise DeliveryBlockedError(
                        f"s3://{settings.bucket}/{made.key}: {error}"
                    ) from error
                _metric(settings, "DeliveryToS3.Success", 0, "Count")
                logger.warning("%s cannot write %s yet: %s", settings.name, made.key, error)
                time.sleep(min(FIRST_WAIT_SECONDS * 2**waits, LONGEST_WAIT_SECONDS))
                waits += 1
            else:
                return

    def _tell(self, settings: DeliverySettings) -> None:
        """How old undelivered records are, now and then, so that an alarm sees them wait."""
        if self._buffer and time.monotonic() - self._told > METRIC_SECONDS:
            _metric(settings, "DeliveryToS3.DataFreshness", self._age(), "Seconds")
            self._told = time.monotonic()


def open_sources(log: RecordLog, settings: DeliverySettings) -> None:
    """Fix where a new delivery stream starts: with what is put from now on."""
    for stream, name in _shards(settings):
        log.open_lanes(settings.log_name, log.shard(stream, name), 1, log.last)


def _shards(settings: DeliverySettings) -> list[tuple[str, str]]:
    """The stream in the log and the name of each shard that is read."""
    if settings.source is None:
        return [(settings.log_name, DIRECT)]
    stream = kinesis.get_stream(settings.source)
    if stream is None:
        return []
    names = {*stream.shards, *stream.closed}
    return [(stream.log_name, name) for name in sorted(names)]


def _encryption(settings: DeliverySettings) -> dict[str, str]:
    if settings.key is None:
        return {}
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": settings.key}


def _metric(settings: DeliverySettings, name: str, value: float, unit: str) -> None:
    mappings.record_metric("AWS/Firehose", name, value, unit, {"DeliveryStreamName": settings.name})
