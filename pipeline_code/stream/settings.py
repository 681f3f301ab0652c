"""The settings of the stream's functions, from their environment."""

from dataclasses import dataclass

from pipeline_code.contracts.environment import variable
from pipeline_code.features.store.updating import FeatureGroups

__all__ = ["FoldSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldSettings:
    """A consumer's settings; each field names its environment variable.

    Args:
        feature_group_pattern: FEATURE_GROUP_PATTERN, the name of the states' feature groups by
            `{entity}` and `{version}`; those of each version of the features' schema are kept.
        quarantine_bucket: QUARANTINE_BUCKET, where records that break a rule are stored.
        terminal_stream: TERMINAL_STREAM, onto which the consumer of customers puts every event;
            None if it is not set, as for the consumer of terminals.
        reads_per_second: STORE_READS_A_SECOND, how many calls of BatchGetRecord the function makes
            a second for each batch that it handles at a time; None for any number.
    """

    feature_group_pattern: str
    quarantine_bucket: str
    terminal_stream: str | None = None
    reads_per_second: float | None = variable("STORE_READS_A_SECOND", default=None, least=0.01)

    @property
    def groups(self) -> tuple[FeatureGroups, ...]:
        """The feature groups of every version that is alive."""
        return FeatureGroups.of_every_version(self.feature_group_pattern)
