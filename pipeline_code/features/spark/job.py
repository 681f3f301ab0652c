"""The job `features` on Spark: on this host's cores, or as one of the hosts of a cluster."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pyspark.sql import SparkSession

from pipeline_code.common.paths import CLOUD_ROOT, ml_root
from pipeline_code.features.files.sources import ParquetSource
from pipeline_code.features.parts import Output, OutputCounts
from pipeline_code.features.spark.cluster import Hosts, Leader, follow
from pipeline_code.features.spark.driver import SparkFeatures, StagedOutput
from pipeline_code.features.spark.session import ALL_CORES, open_session, prepare
from pipeline_code.features.store.materializing import Materializer

__all__ = ["SparkJob"]

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class SparkJob:
    """One job, the same on every host.

    Args:
        transactions: The lake's transactions, at the same place on every host.
        reports: The lake's fraud reports, likewise.
        outputs: Which feature rows are written, and where on this host.
        work: Folder for Spark's own files.
        as_of: What became known later does not exist.
        materializer: Given all events of all entities, if there is one.
    """

    transactions: ParquetSource
    reports: ParquetSource
    outputs: Sequence[Output]
    work: Path
    as_of: datetime
    materializer: Materializer | None

    def run(self) -> list[OutputCounts] | None:
        """Does this host's part; returns what each output holds, or None if another host says it.

        Raises:
            BadInput: As the batch driver.
            TaskFailed: Anything else went wrong in a task.
            RuntimeError: A host was lost.
        """
        hosts = Hosts.read()
        if not hosts.followers:
            return list(self._alone().written)
        if hosts.current != hosts.leader:
            follow(hosts, self.outputs, self.work)
            return None
        with Leader(hosts, self.work) as leader:
            staged = self._features(leader.session).stage()
            leader.publish(self.outputs, staged.parts)
        return list(self._counted(staged).written)

    def _alone(self) -> StagedOutput:
        prepare(self.work, LOOPBACK)
        session = open_session(ALL_CORES, LOOPBACK)
        try:
            staged = self._features(session).stage()
        finally:
            session.stop()
        for output in self.outputs:
            output.publish()
        return self._counted(staged)

    def _features(self, session: SparkSession) -> SparkFeatures:
        tasks = session.sparkContext.defaultParallelism
        return SparkFeatures(
            session=session,
            transactions=self.transactions,
            reports=self.reports,
            outputs=list(_on_any_host(self.outputs)),
            as_of=self.as_of,
            keep_states=self.materializer and self.materializer.shared_by(tasks),
        )

    def _counted(self, staged: StagedOutput) -> StagedOutput:
        if self.materializer is not None:
            for folded in staged.kept.values():
                self.materializer.add(folded)
        return staged


def _on_any_host(outputs: Iterable[Output]) -> Iterable[Output]:
    """Outputs below `/opt/ml`, wherever a host has that."""
    for output in outputs:
        below = output.folder.relative_to(ml_root())
        yield replace(output, folder=Path(CLOUD_ROOT / below))
