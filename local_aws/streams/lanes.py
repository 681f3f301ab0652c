"""Reads one shard, or one lane of it, and invokes a function with its records in order."""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

from local_aws import adapter
from local_aws.adapter import kinesis
from local_aws.adapter.functions import mappings
from local_aws.settings import ACCOUNT, REGION
from local_aws.streams.batches import RecordBatch, first_failure, judge, split_expired
from local_aws.streams.destinations import (
    RETRIES_EXHAUSTED,
    TOO_OLD,
    Destinations,
    failure_record,
)
from local_aws.streams.events import stream_event, within_payload
from local_aws.streams.record import Record
from local_aws.streams.records import RecordLog
from local_aws.streams.settings import MappingSettings

logger = logging.getLogger("fraudloop.streams")

IDLE_SECONDS = 1.0
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 5.0


class Lane(threading.Thread):
    """A thread that reads from a position on until it is stopped.

    Records are committed when they are processed or given up, so after a kill or a stop some may
    be processed again and none is missed.

    Args:
        log: The records.
        destinations: Where discarded records are told of.
        settings: The mapping; `settings` may be replaced while it runs.
        shard: The shard's name.
        number: The shard's number in the log.
        lane: Which lane of the shard this is.
        position: Up to where its records are processed.
    """

    def __init__(
        self,
        log: RecordLog,
        destinations: Destinations,
        settings: MappingSettings,
        *,
        shard: str,
        number: int,
        lane: int,
        position: int,
    ) -> None:
        super().__init__(name=f"lane-{settings.uuid[:8]}-{shard[-4:]}-{lane}", daemon=True)
        self.settings = settings
        self._log = log
        self._destinations = destinations
        self._shard = shard
        self._number = number
        self._lane = lane
        self._position = position
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Have it end after the invocation that runs; whoever stops it wakes the log too."""
        self._stopped.set()

    def run(self) -> None:
        """Read and process until stopped."""
        with adapter.request_scope(ACCOUNT, REGION):
            while not self._stopped.is_set():
                try:
                    self._process(self._gather())
                except Exception:
                    # Nothing was committed: the same records come again.
                    logger.exception("%s could not process its records", self.name)
                    self._stopped.wait(FIRST_WAIT_SECONDS)
        # Past what was other lanes', so that a change of their number repeats little.
        self._log.commit(self.settings.uuid, self._number, self._position, lane=self._lane)

    def _gather(self) -> list[Record]:
        """The next batch, full or as full as it gets within the batching window."""
        latest = self._log.latest(self._number)
        records = self._read()
        if not records:
            # What the log has up to here is for other lanes.
            self._position = max(self._position, latest)
            self._log.wait(self._number, latest, IDLE_SECONDS)
            return []
        deadline = time.monotonic() + self.settings.window
        while not self._is_full(records):
            seconds = deadline - time.monotonic()
            if seconds <= 0:
                break
            self._log.wait(self._number, self._log.latest(self._number), seconds)
            if self._stopped.is_set():
                return []
            records = self._read()
        return within_payload(records)

    def _read(self) -> list[Record]:
        return self._log.read(
            self._number,
            after=self._position,
            limit=self.settings.batch_size,
            lane=self._lane,
            lanes=self.settings.lanes,
        )

    def _is_full(self, records: list[Record]) -> bool:
        full = len(records) >= self.settings.batch_size
        return full or len(within_payload(records)) < len(records)

    def _process(self, records: list[Record]) -> None:
        """Invoke until each record is processed or given up."""
        wanted = tuple(self._matching(records))
        pending = [RecordBatch(wanted)] if wanted else []
        waits = 0
        while pending:
            batch = self._give_up_expired(pending.pop())
            if batch is None:
                continue
            answer = self._invoke(batch.records)
            if self._stopped.is_set() and (answer is None or answer.failed):
                return  # perhaps it failed because the server stops: not counted, comes again
            if answer is None or answer.throttled:
                pending.append(batch)
                waits = self._wait(waits)
                continue
            verdict = judge(
                batch,
                self._first_failed(batch.records, answer),
                retries=self.settings.retries,
                bisect=self.settings.bisect,
            )
            if verdict.done:
                self._commit(verdict.done[-1])
                waits = 0
            if verdict.discarded is not None:
                self._give_up(verdict.discarded, RETRIES_EXHAUSTED, verdict.discarded.retries + 1)
                waits = 0
            pending.extend(reversed(verdict.again))
            if verdict.wait:
                waits = self._wait(waits)
            if self._stopped.is_set():
                return
        if records:
            self._commit(records[-1])

    def _matching(self, records: list[Record]) -> list[Record]:
        mapping = mappings.find(self.settings.uuid)
        if mapping is None or "FilterCriteria" not in mapping:
            return records
        events = mappings.matching(self._event(records)["Records"], mapping)
        kept = {event["kinesis"]["sequenceNumber"] for event in events}
        return [record for record in records if record.number in kept]

    def _invoke(self, records: Sequence[Record]) -> mappings.InvocationResult | None:
        """The function's answer, or None if it cannot be invoked now."""
        function, age = self.settings.function_arn, time.time() - records[-1].arrival
        name = function.split(":")[6]
        mappings.record_metric(
            "AWS/Lambda", "IteratorAge", age * 1000, "Milliseconds", {"FunctionName": name}
        )
        try:
            answer = mappings.invoke(function, self._event(records))
        except LookupError as error:
            self._note(f"PROBLEM: {error}")
            return None
        failed = answer.failed or self._first_failed(records, answer) is not None
        self._note("PROBLEM: Function call failed" if failed else "OK")
        if answer.failed:
            logger.warning("%s: %s failed: %s", self.name, name, _told(answer.body))
        return answer

    def _first_failed(
        self, records: Sequence[Record], answer: mappings.InvocationResult
    ) -> int | None:
        if answer.failed:
            return 0
        return first_failure(records, answer.body) if self.settings.partial else None

    def _give_up_expired(self, batch: RecordBatch) -> RecordBatch | None:
        stream = kinesis.get_stream(self.settings.stream_arn)
        limits = [self.settings.age] if self.settings.age >= 0 else []
        limits += [stream.retention_seconds] if stream is not None else []
        if not limits:
            return batch
        expired, rest = split_expired(batch, time.time() - min(limits))
        if expired is not None:
            self._give_up(expired, TOO_OLD, expired.retries)
        return rest

    def _give_up(self, batch: RecordBatch, condition: str, invocations: int) -> None:
        """Tell the destination, if there is one, and go on past the records."""
        first, last = batch.records[0].number, batch.records[-1].number
        text = f"{len(batch.records)} records of {self._shard} ({first} to {last}): {condition}"
        logger.warning("%s gives up %s", self.name, text)
        settings = self.settings
        if settings.destination is not None:
            document = failure_record(
                function_arn=settings.function_arn,
                stream_arn=settings.stream_arn,
                shard=self._shard,
                records=batch.records,
                condition=condition,
                invocations=invocations,
            )
            event = self._event(batch.records)
            try:
                self._destinations.send(
                    settings.destination, self._role(), settings.uuid, document, event
                )
            except Exception as error:
                # As on AWS, a destination that fails does not hold the shard up.
                logger.exception("%s: %s was not told of %s", self.name, settings.destination, text)
                self._note(f"PROBLEM: {settings.destination} was not told of {text}: {error}")
        self._commit(batch.records[-1])

    def _event(self, records: Sequence[Record]) -> dict[str, Any]:
        return stream_event(records, self._shard, self.settings.stream_arn, self._role())

    def _role(self) -> str:
        config = mappings.function_configuration(self.settings.function_arn)
        return "" if config is None else str(config["Role"])

    def _commit(self, record: Record) -> None:
        self._position = record.sequence
        self._log.commit(self.settings.uuid, self._number, record.sequence, lane=self._lane)

    def _wait(self, waits: int) -> int:
        self._stopped.wait(min(FIRST_WAIT_SECONDS * 2**waits, LONGEST_WAIT_SECONDS))
        return waits + 1

    def _note(self, result: str) -> None:
        mappings.note_result(self.settings.uuid, result)


def _told(body: Any) -> str:
    return str(body.get("errorMessage") if isinstance(body, dict) else body)[:300]
