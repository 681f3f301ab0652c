"""Brings the online store up to what a job reads, shard by shard, from threads or other hosts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock

import boto3
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.config import Config

from pipeline_code.common.pace import Pace
from pipeline_code.contracts.environment import variable
from pipeline_code.contracts.metrics import MetricName
from pipeline_code.features.declarations import Entity
from pipeline_code.features.events import Reports, Transactions
from pipeline_code.features.store.traffic import StoreTraffic
from pipeline_code.features.store.updating import FeatureGroups, FoldResult, StoreError, materialize

__all__ = ["Materializer", "MaterializingSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterializingSettings:
    """How states are brought into the feature groups.

    Args:
        feature_group_pattern: FEATURE_GROUP_PATTERN, the name of the feature groups by `{entity}`
            and `{version}`; None if it is not set: there are none.
        reads_per_second: STORE_READS_A_SECOND, the job's share of the account's calls of
            BatchGetRecord; None for any number.
        metric_namespace: POWERTOOLS_METRICS_NAMESPACE, where throttled tries are counted, as of the
            service that POWERTOOLS_SERVICE_NAME says; None if nowhere.
    """

    feature_group_pattern: str | None = None
    reads_per_second: float | None = variable("STORE_READS_A_SECOND", default=None, least=0.01)
    metric_namespace: str | None = variable("POWERTOOLS_METRICS_NAMESPACE", default=None)


class Materializer:
    """Puts the states of a shard's entities into the feature groups, and counts what it wrote.

    Into those of every version that is alive: an older one's model serves what is landed, too.

    Pickled, it goes to another host with a count of its own; `add` takes that host's results.

    Args:
        groups: The feature groups of each version.
        settings: How.
    """

    def __init__(self, groups: Sequence[FeatureGroups], settings: MaterializingSettings) -> None:
        self._groups = groups
        self._settings = settings
        self._client = boto3.client(
            "sagemaker-featurestore-runtime",
            config=Config(retries={"mode": "standard", "max_attempts": 6}),
        )
        rate = settings.reads_per_second
        self._traffic = StoreTraffic(self._client, None if rate is None else Pace(rate))
        self._lock = Lock()
        self._total = FoldResult()

    def __reduce__(
        self,
    ) -> tuple[type["Materializer"], tuple[Sequence[FeatureGroups], MaterializingSettings]]:
        return Materializer, (self._groups, self._settings)

    def shared_by(self, tasks: int) -> "Materializer":
        """One for each of so many tasks at a time, which together keep this one's pace."""
        rate = self._settings.reads_per_second
        mine = None if rate is None else rate / tasks
        return Materializer(self._groups, replace(self._settings, reads_per_second=mine))

    def __call__(self, entity: Entity, transactions: Transactions, reports: Reports) -> FoldResult:
        """Brings the store up to all that is known of some entities.

        Raises:
            StoreError: A state could not be stored.
        """
        folded = FoldResult()
        for groups in self._groups:
            folded += materialize(self._client, groups, entity, transactions, reports)
        folded = replace(folded, throttled=self._traffic.take_throttled())
        self.add(folded)
        if folded.failed:
            reason = next(iter(folded.failed.values()))
            raise StoreError(f"every state must be stored, got {len(folded.failed)} not: {reason}")
        return folded

    def add(self, folded: FoldResult) -> None:
        """Counts what was written elsewhere."""
        with self._lock:
            self._total += folded

    def document(self) -> dict[str, int]:
        """How many records were written, for the summary."""
        return {"customers": self._total.customers, "terminals": self._total.terminals}

    def report(self) -> None:
        """Prints how many tries were throttled, as CloudWatch takes metrics out of a log."""
        if self._settings.metric_namespace is not None:
            metrics = Metrics()
            count = self._total.throttled
            metrics.add_metric(MetricName.STORE_THROTTLES, MetricUnit.Count, count)
            metrics.flush_metrics()
