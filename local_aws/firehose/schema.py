"""The format conversion of a delivery stream: JSON into Parquet by a Glue table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local_aws.firehose.values import MILLISECONDS, UnsupportedTypeError, strptime_format
from local_aws.settings import ACCOUNT, REGION

Config = Mapping[str, Any]

COMPRESSIONS = {"SNAPPY": "snappy", "GZIP": "gzip", "UNCOMPRESSED": "none"}


class SettingsError(ValueError):
    """A delivery stream asks for something that is invalid, or not supported here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What a delivery stream's DataFormatConversionConfiguration asks for.

    Args:
        database: The table's database.
        table: The table.
        role: What the catalog is read as.
        version: Of the table; always the latest here.
        case_sensitive: Whether names of fields must be spelled as columns are.
        dots: Whether dots in names of fields become underscores.
        fields: Names of fields by column, where they differ.
        formats: HiveJsonSerDe's formats of timestamps.
        compression: Parquet's, as pyarrow names it.
    """

    database: str
    table: str
    role: str
    version: str = "LATEST"
    case_sensitive: bool = False
    dots: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)
    formats: tuple[str, ...] = ()
    compression: str = "snappy"

    @property
    def arns(self) -> list[str]:
        """What the role needs glue:GetTableVersions for."""
        prefix = f"arn:aws:glue:{REGION}:{ACCOUNT}"
        return [
            f"{prefix}:catalog",
            f"{prefix}:database/{self.database}",
            f"{prefix}:table/{self.database}/{self.table}",
        ]

    @property
    def catalog_table(self) -> dict[str, str]:
        """How a failed record names the table."""
        return {
            "catalogId": ACCOUNT,
            "databaseName": self.database,
            "tableName": self.table,
            "region": REGION,
            "versionId": self.version,
        }


def read_conversion(config: Config) -> Conversion | None:
    """What a destination's DataFormatConversionConfiguration asks for, if it is on.

    Raises:
        SettingsError: Saying what is not taken.
    """
    configured = config.get("DataFormatConversionConfiguration")
    if not is_on(configured) or configured is None:
        return None
    serializer = configured["OutputFormatConfiguration"]["Serializer"]
    if "ParquetSerDe" not in serializer:
        raise unsupported("OrcSerDe", "use ParquetSerDe")
    deserializer = configured["InputFormatConfiguration"]["Deserializer"]
    open_x, hive = deserializer.get("OpenXJsonSerDe") or {}, deserializer.get("HiveJsonSerDe") or {}
    schema = configured["SchemaConfiguration"]
    compression = (serializer["ParquetSerDe"] or {}).get("Compression", "SNAPPY")
    if compression not in COMPRESSIONS:
        raise SettingsError(
            f"Compression must be one of {', '.join(COMPRESSIONS)}, got {compression}"
        )
    return Conversion(
        database=schema["DatabaseName"],
        table=schema["TableName"],
        role=schema["RoleARN"],
        version=schema.get("VersionId", "LATEST"),
        case_sensitive=str(open_x.get("CaseInsensitive", True)).lower() == "false",
        dots=str(open_x.get("ConvertDotsInJsonKeysToUnderscores", False)).lower() == "true",
        fields=open_x.get("ColumnToJsonKeyMappings") or {},
        formats=_formats(hive.get("TimestampFormats") or ()),
        compression=COMPRESSIONS[compression],
    )


def _formats(patterns: Sequence[str]) -> tuple[str, ...]:
    try:
        for pattern in patterns:
            if pattern != MILLISECONDS:
                strptime_format(pattern)
    except UnsupportedTypeError as error:
        raise SettingsError(str(error)) from error
    return tuple(patterns)


def is_on(configured: Config | None) -> bool:
    """Whether a part of a configuration is there and enabled."""
    return configured is not None and str(configured.get("Enabled", True)).lower() == "true"


def unsupported(what: str, instead: str) -> SettingsError:
    """Something that Firehose has and the embedded one has not."""
    return SettingsError(f"The embedded AWS does not support {what}; {instead}")
