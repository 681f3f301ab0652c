"""Brings the online store up to what a job reads, shard by shard, from threads or other hosts."""

from dataclasses import dataclass
from threading import Lock

import boto3
from botocore.config import Config

from pipeline_code.features.declarations import Entity
from pipeline_code.features.events import Reports, Transactions
from pipeline_code.features.store import FeatureGroups, FoldResult, StoreError, materialize

__all__ = ["Materializer", "MaterializingSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterializingSettings:
    """The feature groups that the environment names; None if it names none."""

    groups: FeatureGroups | None = None


class Materializer:
    """Puts the states of a shard's entities into the feature groups, and counts what it wrote.

    Pickled, it goes to another host with a count of its own; `add` takes that host's results.
    """

    def __init__(self, groups: FeatureGroups) -> None:
        self._groups = groups
        self._client = boto3.client(
            "sagemaker-featurestore-runtime",
            config=Config(retries={"mode": "standard", "max_attempts": 6}),
        )
        self._lock = Lock()
        self._total = FoldResult()

    def __reduce__(self) -> tuple[type["Materializer"], tuple[FeatureGroups]]:
        return Materializer, (self._groups,)

    def __call__(self, entity: Entity, transactions: Transactions, reports: Reports) -> FoldResult:
        """Brings the store up to all that is known of some entities.

        Raises:
            StoreError: A state could not be stored.
        """
        folded = materialize(self._client, self._groups, entity, transactions, reports)
        if folded.failed:
            reason = next(iter(folded.failed.values()))
            raise StoreError(f"every state must be stored, got {len(folded.failed)} not: {reason}")
        self.add(folded)
        return folded

    def add(self, folded: FoldResult) -> None:
        """Counts what was written elsewhere."""
        with self._lock:
            self._total += folded

    def document(self) -> dict[str, int]:
        """How many records were written, for the summary."""
        return {"customers": self._total.customers, "terminals": self._total.terminals}
