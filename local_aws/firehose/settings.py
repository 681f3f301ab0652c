"""The settings of a delivery stream to S3, and which of them are not supported."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from local_aws.firehose import prefixes
from local_aws.firehose.queries import Query, QueryError
from local_aws.firehose.schema import (
    Config,
    Conversion,
    SettingsError,
    is_on,
    read_conversion,
    unsupported,
)

MIB = 1024 * 1024
# Firehose wants large buffers where it makes Parquet or many folders.
LEAST_LARGE_MIB = 64
MOST_MIB = 128
MOST_SECONDS = 900
EXTENSIONS = {"UNCOMPRESSED": "", "GZIP": ".gz"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Transformation:
    """A function that every record passes.

    Args:
        function: Its ARN.
        retries: How often a failed invocation is repeated.
        batch_bytes: Bytes of an invocation's records, at most.
    """

    function: str
    retries: int
    batch_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """A delivery stream, read.

    Args:
        name: Its name.
        arn: Its ARN.
        created: When it was made; another one of the same name has another time.
        version: How often its destination changed.
        source: The Kinesis stream's ARN, or None if records are put to it directly.
        source_role: What the source is read as.
        bucket: Where objects are written.
        role: What they are written as.
        prefix: Of objects.
        error_prefix: Of objects that hold failed records.
        buffer_bytes: An object is written when so much is buffered.
        buffer_seconds: Or when the oldest record has waited so long.
        gzip: Whether objects are compressed.
        key: The KMS key of the objects, if it is not the bucket's.
        extension: The end of an object's name.
        zone: The time zone of times in prefixes.
        partitioned: Whether each object holds the records of one set of partition keys.
        transformation: The function that records pass, if any.
        query: What takes partition keys out of records, if any.
        delimiter: What follows each record.
        conversion: How records become Parquet, if they do.
        log: The log group and stream that errors are told in, if any.
    """

    name: str
    arn: str
    created: float
    version: int
    source: str | None
    source_role: str
    bucket: str
    role: str
    prefix: str
    error_prefix: str
    buffer_bytes: int
    buffer_seconds: float
    gzip: bool
    key: str | None
    extension: str
    zone: tzinfo
    partitioned: bool
    transformation: Transformation | None
    query: Query | None
    delimiter: bytes
    conversion: Conversion | None
    log: tuple[str, str] | None

    @property
    def log_name(self) -> str:
        """Its own records in the log, and its name as a consumer of others."""
        return f"{self.arn}@{self.created}"


def read(stream: Config) -> DeliverySettings:
    """A delivery stream as the emulator keeps it.

    Raises:
        SettingsError: Saying what is not taken.
    """
    (destination,) = stream["destinations"]
    config, source = destination["config"], stream.get("kinesis_source") or {}
    _refuse_unsupported(config)
    partitioned = is_on(config.get("DynamicPartitioningConfiguration"))
    conversion = read_conversion(config)
    hints = config.get("BufferingHints") or {}
    large = partitioned or conversion is not None
    if len({"SizeInMBs", "IntervalInSeconds"} & {*hints}) == 1:
        # "If you specify a value for it, you must also specify ..., and vice versa".
        raise SettingsError("BufferingHints must have SizeInMBs and IntervalInSeconds, or neither")
    size = int(hints.get("SizeInMBs", LEAST_LARGE_MIB if large else 5))
    seconds = float(hints.get("IntervalInSeconds", 300))
    _check_buffer(size, seconds, large=large, partitioned=partitioned)
    prefix, error_prefix = config.get("Prefix") or "", config.get("ErrorOutputPrefix") or ""
    reason = prefixes.invalid(prefix, error_prefix, partitioned=partitioned)
    if reason is not None:
        raise SettingsError(reason)
    processors = _processors(config)
    transformation, query = _transformation(processors), _query(processors)
    _check_keys(prefix, transformation, query)
    gzip = config.get("CompressionFormat", "UNCOMPRESSED") == "GZIP"
    extension = (
        ".parquet" if conversion is not None else EXTENSIONS["GZIP" if gzip else "UNCOMPRESSED"]
    )
    return DeliverySettings(
        name=stream["name"],
        arn=stream["arn"],
        created=stream["created_at"],
        version=stream["version"],
        source=source.get("KinesisStreamARN") or None,
        source_role=source.get("RoleARN", ""),
        bucket=config["BucketARN"].rpartition(":")[2],
        role=config.get("RoleARN", ""),
        prefix=prefix,
        error_prefix=error_prefix,
        buffer_bytes=size * MIB,
        buffer_seconds=seconds,
        gzip=gzip,
        key=_key(config),
        extension=config.get("FileExtension") or extension,
        zone=ZoneInfo(config["CustomTimeZone"]) if config.get("CustomTimeZone") else UTC,
        partitioned=partitioned,
        transformation=transformation,
        query=query,
        delimiter=b"\n" if "AppendDelimiterToRecord" in processors else b"",
        conversion=conversion,
        log=_log(config),
    )


def _refuse_unsupported(config: Config) -> None:
    if config.get("S3BackupMode", "Disabled") != "Disabled":
        raise unsupported("S3BackupMode", "read the source again instead")
    compression = config.get("CompressionFormat", "UNCOMPRESSED")
    if compression not in EXTENSIONS:
        raise unsupported(f"CompressionFormat {compression}", f"use {' or '.join(EXTENSIONS)}")
    if is_on(config.get("DataFormatConversionConfiguration")) and compression != "UNCOMPRESSED":
        raise SettingsError(
            f"CompressionFormat must be UNCOMPRESSED with format conversion, got {compression}; "
            "Parquet compresses its own pages"
        )


def _check_buffer(size: int, seconds: float, *, large: bool, partitioned: bool) -> None:
    least = LEAST_LARGE_MIB if large else 1
    if not least <= size <= MOST_MIB:
        reason = "with format conversion or dynamic partitioning" if large else "here"
        raise SettingsError(
            f"BufferingHints.SizeInMBs must be {least} to {MOST_MIB} {reason}, got {size}"
        )
    # "Zero buffering feature is not available for dynamic partitioning" (the guide, Buffer data).
    shortest = 1 if partitioned else 0
    if not shortest <= seconds <= MOST_SECONDS:
        reason = " with dynamic partitioning" if partitioned else ""
        raise SettingsError(
            f"BufferingHints.IntervalInSeconds must be {shortest} to {MOST_SECONDS}{reason}, got "
            f"{seconds:g}"
        )


def _processors(config: Config) -> dict[str, dict[str, str]]:
    """The parameters of each processor, by its type."""
    processing = config.get("ProcessingConfiguration")
    if not is_on(processing) or processing is None:
        return {}
    known = ("Lambda", "MetadataExtraction", "AppendDelimiterToRecord")
    found = {}
    for processor in processing.get("Processors") or ():
        kind = processor["Type"]
        if kind not in known:
            raise unsupported(f"the processor {kind}", f"use {', '.join(known)}")
        found[kind] = {
            parameter["ParameterName"]: str(parameter["ParameterValue"])
            for parameter in processor.get("Parameters") or ()
        }
    return found


def _transformation(processors: Mapping[str, Mapping[str, str]]) -> Transformation | None:
    parameters = processors.get("Lambda")
    if parameters is None:
        return None
    return Transformation(
        function=parameters["LambdaArn"],
        retries=int(parameters.get("NumberOfRetries", "3")),
        batch_bytes=int(float(parameters.get("BufferSizeInMBs", "1")) * MIB),
    )


def _query(processors: Mapping[str, Mapping[str, str]]) -> Query | None:
    parameters = processors.get("MetadataExtraction")
    if parameters is None:
        return None
    engine = parameters.get("JsonParsingEngine", "JQ-1.6")
    if engine != "JQ-1.6":
        raise SettingsError(f"JsonParsingEngine must be JQ-1.6, got {engine}")
    try:
        return Query.parse(parameters["MetadataExtractionQuery"])
    except QueryError as error:
        raise SettingsError(str(error)) from error


def _check_keys(prefix: str, function: Transformation | None, query: Query | None) -> None:
    if prefixes.wanted_keys(prefix, prefixes.FROM_FUNCTION) and function is None:
        raise SettingsError("Prefix names partitionKeyFromLambda, but no function gives keys")
    missing = prefixes.wanted_keys(prefix, prefixes.FROM_QUERY) - set(query.values if query else ())
    if missing:
        raise SettingsError(
            f"Prefix names partitionKeyFromQuery {', '.join(sorted(missing))}, "
            "which MetadataExtractionQuery does not give"
        )


def _log(config: Config) -> tuple[str, str] | None:
    options = config.get("CloudWatchLoggingOptions") or {}
    if str(options.get("Enabled", False)).lower() != "true":
        return None
    return options["LogGroupName"], options["LogStreamName"]


def _key(config: Config) -> str | None:
    encryption = (config.get("EncryptionConfiguration") or {}).get("KMSEncryptionConfig") or {}
    key: str | None = encryption.get("AWSKMSKeyARN")
    return key
