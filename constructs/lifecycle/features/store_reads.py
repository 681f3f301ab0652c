"""The shares of Feature Store's calls of BatchGetRecord, of which an account has few."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline_code.contracts.quotas import BATCH_GETS_A_SECOND

__all__ = ["StoreReads"]

STREAMS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreReads:
    """How many calls of BatchGetRecord a second who makes, each for a hundred records at most.

    Writes have no share of their own: a hundred records are read, and written in four calls, of
    which an account has twenty times as many.

    Attributes:
        quota: What the account has in this Region: 500, unless AWS was asked for more.
        background_percent: The share that a training run and the folds have together, at most. The
            rest is the server's, for what it does not read by GetRecord.
        materializing: What a training run makes as it brings the states up to the lake.
        fold: What a fold makes for each batch of a stream that it handles at a time. Ten are a
            thousand records, which is what a shard takes in a second.
    """

    quota: int = BATCH_GETS_A_SECOND
    background_percent: int = 80
    materializing: int = 100
    fold: int = 10

    def __post_init__(self) -> None:
        for name in ("quota", "materializing", "fold"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}; give calls a second")
        if not 1 <= self.background_percent <= 100:  # noqa: PLR2004
            raise ValueError(
                f"background_percent must be between 1 and 100, got {self.background_percent}; "
                "leave the server what its larger requests take"
            )

    def folding(self, batches: int) -> int:
        """What the folds make at most, with so many batches of each stream at a time."""
        return STREAMS * batches * self.fold

    def check(self, batches: int) -> None:
        """Raises ValueError if more could be asked for than the background's share.

        Args:
            batches: Of each stream, at a time.
        """
        share = self.quota * self.background_percent // 100
        most = self.folding(batches) + self.materializing
        if most > share:
            raise ValueError(
                f"feature_store.reads must stay within {share} calls a second "
                f"({self.background_percent} % of {self.quota}), got {self.folding(batches)} of "
                f"the folds, with {batches} batches of each stream at a time, and "
                f"{self.materializing} of a training run; lower fold or materializing, or ask AWS "
                "for more calls of BatchGetRecord and raise quota"
            )
