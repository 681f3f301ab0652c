"""Runs the lanes that the event source mappings ask for, and no others."""

import logging
import threading
import time
from typing import Any

from local_aws import adapter
from local_aws.adapter import kinesis
from local_aws.adapter.functions import mappings
from local_aws.policies.passed_roles import LAMBDA
from local_aws.settings import ACCOUNT, REGION
from local_aws.streams.destinations import Destinations
from local_aws.streams.lanes import Lane
from local_aws.streams.records import RecordLog
from local_aws.streams.settings import MappingSettings, destination_of, invalid

logger = logging.getLogger("fraudloop.streams")

TICK_SECONDS = 0.1
PERMISSION_SECONDS = 2.0
EXPIRY_SECONDS = 60.0
# Lambda Developer Guide, "Process Amazon Kinesis Data Streams records with Lambda", the permissions
# of the execution role.
READ_ACTIONS = (
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
)
SEND_ACTIONS = {"sqs": "sqs:SendMessage", "sns": "sns:Publish", "s3": "s3:PutObject"}


class Coordinator:
    """Follows the mappings: each tenth of a second, and at once when one is made or deleted.

    Args:
        log: The records.
        endpoint_url: Where the embedded AWS listens.
    """

    def __init__(self, log: RecordLog, endpoint_url: str) -> None:
        self._log = log
        self._destinations = Destinations(endpoint_url)
        self._consumers: dict[str, Consumer] = {}
        self._stopped = threading.Event()
        self._checked: dict[tuple[str, str], tuple[float, str | None]] = {}
        self._thread = threading.Thread(target=self._run, daemon=True, name="stream-mappings")

    def start(self) -> None:
        """Follow the mappings in a thread."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Stop all lanes, and wait some time for the invocations that run."""
        self._stopped.set()
        deadline = time.monotonic() + seconds
        self._thread.join(seconds)
        for consumer in self._consumers.values():
            consumer.stop()
        self._log.wake()
        for consumer in self._consumers.values():
            consumer.join(deadline)

    def refusal(self, mapping: dict[str, Any]) -> str | None:
        """Why a mapping cannot be, or None."""
        reason = invalid(mapping)
        if reason is not None:
            return reason
        arn = mapping["EventSourceArn"]
        if kinesis.get_stream(arn) is None:
            return f"Stream not found: {arn}"
        function = mapping.get("FunctionName") or mapping.get("FunctionArn", "")
        config = mappings.function_configuration(function)
        if config is None:
            return None  # Lambda says so itself
        if _denied(config["Role"], arn) is not None:
            return (
                f"Cannot access stream {arn}. Please ensure the role can perform the GetRecords, "
                "GetShardIterator, DescribeStream, ListShards, and ListStreams Actions on your "
                "stream in IAM."
            )
        return _destination_refusal(config["Role"], destination_of(mapping))

    def complete(self, mapping: dict[str, Any]) -> None:
        """Fix where a new mapping starts, before anything else is put."""
        stream = kinesis.get_stream(mapping["EventSourceArn"])
        if stream is None:
            return
        for name in {*stream.shards, *stream.closed}:
            shard = self._log.shard(stream.log_name, name)
            start = self._start(shard, mapping)
            self._log.open_lanes(
                mapping["UUID"], shard, mapping.get("ParallelizationFactor", 1), start
            )

    def _start(self, shard: int, mapping: dict[str, Any]) -> int:
        if mapping["StartingPosition"] == "AT_TIMESTAMP":
            moment = float(mapping["StartingPositionTimestamp"])
            return self._log.first_since(shard, moment) - 1
        return self._log.last if mapping["StartingPosition"] == "LATEST" else 0

    def _run(self) -> None:
        expiry = time.monotonic() + EXPIRY_SECONDS
        while not self._stopped.wait(TICK_SECONDS):
            try:
                with adapter.request_scope(ACCOUNT, REGION):
                    self._follow()
                    if time.monotonic() > expiry:
                        expiry = time.monotonic() + EXPIRY_SECONDS
                        self._expire()
            except Exception:
                logger.exception("event source mappings could not be followed")

    def _follow(self) -> None:
        wanted = {mapping["UUID"]: mapping for mapping in mappings.all_mappings()}
        for uuid, mapping in wanted.items():
            consumer = self._consumers.setdefault(uuid, Consumer(self._log, self._destinations))
            settings = MappingSettings.read(mapping)
            consumer.follow(settings, self._shards(settings))
        for uuid in self._consumers.keys() - wanted.keys():
            self._consumers[uuid].stop()
            self._log.wake()
            if self._consumers[uuid].has_ended():
                del self._consumers[uuid]
                self._log.forget_consumer(uuid)

    def _shards(self, settings: MappingSettings) -> dict[str, int]:
        """The shards that a mapping reads now: none while it is disabled or may not."""
        stream = kinesis.get_stream(settings.stream_arn)
        if stream is None or not settings.enabled or self._may_not(settings):
            return {}
        # Parents come before their children, so that records of a key stay in order (Lambda
        # Developer Guide, "Lambda processes records in each shard in order", and no more).
        waiting = {
            child
            for parent in stream.closed
            if not self._log.has_read(settings.uuid, self._log.shard(stream.log_name, parent))
            for child in stream.children.get(parent, ())
        }
        names = {*stream.shards, *stream.closed} - waiting
        return {name: self._log.shard(stream.log_name, name) for name in names}

    def _may_not(self, settings: MappingSettings) -> bool:
        """Whether the function's role may not read the stream; asked again after a while."""
        config = mappings.function_configuration(settings.function_arn)
        if config is None:
            return False
        key = (config["Role"], settings.stream_arn)
        asked, denied = self._checked.get(key, (0.0, None))
        if time.monotonic() - asked > PERMISSION_SECONDS:
            denied = _denied(*key)
            self._checked[key] = (time.monotonic(), denied)
        if denied is not None:
            mappings.note_result(settings.uuid, f"PROBLEM: {denied}")
        return denied is not None

    def _expire(self) -> None:
        for stream in kinesis.all_streams():
            self._log.expire(stream.log_name, time.time() - stream.retention_seconds)


class Consumer:
    """The lanes of one mapping.

    Args:
        log: The records.
        destinations: Where discarded records are told of.
    """

    def __init__(self, log: RecordLog, destinations: Destinations) -> None:
        self._log = log
        self._destinations = destinations
        self._lanes: list[Lane] = []
        self._running: tuple[int, dict[str, int]] | None = None

    def follow(self, settings: MappingSettings, shards: dict[str, int]) -> None:
        """Run the lanes of these shards; others are stopped first, which may take some calls."""
        if self._running == (settings.lanes, shards):
            for lane in self._lanes:
                lane.settings = settings
            return
        self.stop()
        if self._lanes:
            self._log.wake()
        if not self.has_ended():
            return
        self._lanes = [
            Lane(
                self._log,
                self._destinations,
                settings,
                shard=name,
                number=number,
                lane=lane,
                position=position,
            )
            for name, number in shards.items()
            # A shard that came after the mapping is read from its beginning.
            for lane, position in enumerate(
                self._log.open_lanes(settings.uuid, number, settings.lanes, 0)
            )
        ]
        self._running = (settings.lanes, shards)
        for started in self._lanes:
            started.start()

    def stop(self) -> None:
        """Have all lanes end."""
        self._running = None
        for lane in self._lanes:
            lane.stop()

    def has_ended(self) -> bool:
        """Whether no lane runs any more."""
        return not any(lane.is_alive() for lane in self._lanes)

    def join(self, deadline: float) -> None:
        """Wait for the lanes until a moment of the monotonic clock."""
        for lane in self._lanes:
            lane.join(max(0.0, deadline - time.monotonic()))


def _denied(role_arn: str, stream_arn: str) -> str | None:
    if (reason := LAMBDA.not_trusted(role_arn)) is not None:
        return reason
    for action in READ_ACTIONS:
        reason = adapter.Role(arn=role_arn, session="awslambda").denied(action, stream_arn)
        if reason is not None:
            return reason
    return None


def _destination_refusal(role_arn: str, destination: str | None) -> str | None:
    if destination is None:
        return None
    service = destination.split(":")[2]
    resource = f"{destination}/aws/lambda/any" if service == "s3" else destination
    sender = adapter.Role(arn=role_arn, session="awslambda")
    if sender.denied(SEND_ACTIONS[service], resource) is None:
        return None
    action = SEND_ACTIONS[service].partition(":")[2]
    return (
        f"The function execution role does not have permissions to call {action} on {destination}"
    )
