"""The settings of the step that computes a batch's features, from environment variables."""

from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline_code.contracts.environment import variable
from pipeline_code.features.store.online_store import FeatureGroups

__all__ = ["FeatureSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSettings:
    """One batch; variables are the fields in capitals.

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
    as_of: datetime = variable(default_factory=lambda: datetime.now(UTC))
