"""What the step that computes a batch's features is told by environment variables."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline_code.common.exits import BadInput
from pipeline_code.features.materializing import GROUP_VARIABLES
from pipeline_code.features.online_store import FeatureGroups
from pipeline_code.monitor.settings import moment_of

__all__ = ["FeatureSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSettings:
    """One batch.

    Attributes:
        raw_bucket: The lake's bucket.
        groups: The feature groups, whose offline stores are read.
        output_uri: Where the results will go.
        as_of: When the batch started: records of the offline store that were put later do not
            exist for it.
    """

    raw_bucket: str
    groups: FeatureGroups
    output_uri: str
    as_of: datetime

    @classmethod
    def parse(cls, environment: Mapping[str, str]) -> "FeatureSettings":
        """Reads RAW_BUCKET, CUSTOMER_FEATURE_GROUP, TERMINAL_FEATURE_GROUP, OUTPUT_URI and AS_OF.

        Raises:
            BadInput: One is missing, or AS_OF is no time.
        """
        names = ("RAW_BUCKET", *GROUP_VARIABLES, "OUTPUT_URI")
        missing = [name for name in names if not environment.get(name)]
        if missing:
            raise BadInput(f"{missing[0]} must be set, got none")
        return cls(
            raw_bucket=environment["RAW_BUCKET"],
            groups=FeatureGroups(
                customer=environment[GROUP_VARIABLES[0]], terminal=environment[GROUP_VARIABLES[1]]
            ),
            output_uri=environment["OUTPUT_URI"],
            as_of=moment_of(environment, "AS_OF") or datetime.now(UTC),
        )
