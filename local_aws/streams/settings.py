"""The settings of an event source mapping of a Kinesis stream, and which are allowed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PARTIAL_FAILURES = "ReportBatchItemFailures"
STARTING_POSITIONS = ("TRIM_HORIZON", "LATEST", "AT_TIMESTAMP")
DESTINATIONS = ("sqs", "sns", "s3")

_RANGES = {
    "BatchSize": (1, 10_000),
    "MaximumBatchingWindowInSeconds": (0, 300),
    "ParallelizationFactor": (1, 10),
    "MaximumRetryAttempts": (-1, 10_000),
    "MaximumRecordAgeInSeconds": (-1, 604_800),
}
_LEAST_AGE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingSettings:
    """A mapping, read.

    Args:
        uuid: Its identifier.
        stream_arn: Where it reads.
        function_arn: What it invokes.
        enabled: Whether it does.
        batch_size: Records of an invocation, at most.
        window: Seconds for which it gathers them, at most.
        lanes: How many batches of a shard are processed at once (ParallelizationFactor).
        retries: How often a failed batch is retried; negative for until it is too old.
        age: Seconds after which records are discarded; negative for never.
        bisect: Whether a failed batch is split before it is retried.
        partial: Whether the function reports which records failed.
        destination: ARN of where discarded records are told of, if anywhere.
    """

    uuid: str
    stream_arn: str
    function_arn: str
    enabled: bool
    batch_size: int
    window: float
    lanes: int
    retries: int
    age: int
    bisect: bool
    partial: bool
    destination: str | None

    @classmethod
    def read(cls, mapping: Mapping[str, Any]) -> "MappingSettings":
        """From a mapping as Lambda keeps it."""
        return cls(
            uuid=mapping["UUID"],
            stream_arn=mapping["EventSourceArn"],
            function_arn=mapping["FunctionArn"],
            enabled=bool(mapping.get("Enabled", True)),
            batch_size=mapping.get("BatchSize", 100),
            window=mapping.get("MaximumBatchingWindowInSeconds", 0),
            lanes=mapping.get("ParallelizationFactor", 1),
            retries=mapping.get("MaximumRetryAttempts", -1),
            age=mapping.get("MaximumRecordAgeInSeconds", -1),
            bisect=bool(mapping.get("BisectBatchOnFunctionError", False)),
            partial=PARTIAL_FAILURES in (mapping.get("FunctionResponseTypes") or ()),
            destination=destination_of(mapping),
        )


def destination_of(mapping: Mapping[str, Any]) -> str | None:
    """The ARN of a mapping's on-failure destination."""
    on_failure = (mapping.get("DestinationConfig") or {}).get("OnFailure") or {}
    destination: str | None = on_failure.get("Destination")
    return destination


def invalid(mapping: Mapping[str, Any]) -> str | None:
    """What of a mapping is not allowed, whatever else exists, or None."""
    for name, (least, most) in _RANGES.items():
        value = mapping.get(name, most)
        if not least <= value <= most:
            return f"{name} must be {least} to {most}, got {value}"
    age = mapping.get("MaximumRecordAgeInSeconds", -1)
    if age != -1 and age < _LEAST_AGE:
        return f"MaximumRecordAgeInSeconds must be -1 or at least {_LEAST_AGE}, got {age}"
    if mapping.get("TumblingWindowInSeconds"):
        return "The embedded AWS does not support TumblingWindowInSeconds; leave it out"
    return _invalid_position(mapping) or _invalid_destination(mapping)


def _invalid_position(mapping: Mapping[str, Any]) -> str | None:
    position = mapping.get("StartingPosition")
    if position not in STARTING_POSITIONS:
        allowed = ", ".join(STARTING_POSITIONS)
        return f"StartingPosition must be one of {allowed} for a stream, got {position}"
    if (position == "AT_TIMESTAMP") != (mapping.get("StartingPositionTimestamp") is not None):
        return "StartingPositionTimestamp must be given with AT_TIMESTAMP, and only then"
    return None


def _invalid_destination(mapping: Mapping[str, Any]) -> str | None:
    destination = destination_of(mapping)
    if destination is None:
        return None
    parts = destination.split(":")
    if len(parts) < 6 or parts[0] != "arn" or parts[2] not in DESTINATIONS:  # noqa: PLR2004
        kinds = ", ".join(DESTINATIONS)
        return f"DestinationConfig.OnFailure must be an ARN of {kinds}, got {destination}"
    return None
