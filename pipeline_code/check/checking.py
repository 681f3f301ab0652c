"""Checks a lake, or what is to go into it, against all rules; every file is read once."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

from pipeline_code.check.findings import Findings, Report
from pipeline_code.check.references import IdIndex, KnownCustomers, ReportIndex
from pipeline_code.check.rules import check_rows, check_structure
from pipeline_code.check.sources import Source, TableSource, folder_sources
from pipeline_code.common.lake import Landing
from pipeline_code.common.schema import DATASETS, Dataset

__all__ = ["check", "check_folders", "check_landing"]

_TRANSACTIONS, _FRAUD_REPORTS, _CUSTOMERS = DATASETS


def check_folders(*, transactions: Path, fraud_reports: Path) -> Report:
    """Checks the data sets that a model is made of, each the folder that the lake has.

    Whose transactions they are does not matter: a stream brings customers that nobody registered.
    """
    findings = Findings()
    return check(
        transactions=folder_sources(_TRANSACTIONS, transactions, findings),
        fraud_reports=folder_sources(_FRAUD_REPORTS, fraud_reports, findings),
        findings=findings,
    )


def check_landing(
    landing: Landing,
    file: str,
    known_customers: pa.Table | None = None,
    findings: Findings | None = None,
) -> Report:
    """Checks a user's file before it goes into the lake; the rows are the file's own.

    Args:
        landing: What `pipeline_code.landing` made of the file.
        file: The file's name.
        known_customers: The lake's registry. If omitted, the file's customers are taken as known.
        findings: What was found in the file before.
    """
    registry = landing.customers if known_customers is None else known_customers
    # Its reports need no check: they were taken from the same rows.
    return check(
        transactions=[TableSource(file, landing.transactions)],
        fraud_reports=[],
        customers=[TableSource("customers", registry)],
        findings=findings,
    )


def check(
    *,
    transactions: Sequence[Source],
    fraud_reports: Sequence[Source],
    customers: Sequence[Source] | None = None,
    findings: Findings | None = None,
) -> Report:
    """Checks the sources against all rules.

    Args:
        transactions, fraud_reports: The sources of each data set.
        customers: Those of the registry. If omitted, transactions may be anybody's.
        findings: What is added to, if there are some already.
    """
    findings = Findings() if findings is None else findings
    known, reports = KnownCustomers(), ReportIndex()
    ids = IdIndex("duplicate_transaction", "repeated_transactions")
    report_ids = IdIndex("duplicate_report", "repeated_reports")

    def take_report(source: Source, batch: pa.RecordBatch, offset: int) -> None:
        reports.add(source.file, batch, offset)
        report_ids.add(batch)

    def take_transaction(source: Source, batch: pa.RecordBatch, offset: int) -> None:
        ids.add(batch)
        known.check(source.file, batch, offset, findings)
        reports.meet(batch, findings)

    walk = _DatasetCheck(findings)
    if customers is not None:
        walk.through(_CUSTOMERS, customers, lambda _source, batch, _offset: known.add(batch))
        known.close()
    sound_reports = walk.through(_FRAUD_REPORTS, fraud_reports, take_report)
    reports.close()
    sound = walk.through(_TRANSACTIONS, transactions, take_transaction)
    ids.check_unique(sound, findings)
    report_ids.check_unique(sound_reports, findings)
    # Where a file of transactions could not be taken, its reports are not to blame.
    if len(sound) == len(transactions):
        reports.check_met(findings)
    for dataset in (_TRANSACTIONS, _CUSTOMERS):
        if findings.rows.get(dataset.name) == 0:
            rule = "data set must hold at least one row, got none"
            findings.add("empty", f"{dataset.name}/", None, rule)
    return findings.report()


class _DatasetCheck:
    """Goes through a data set's files and hands on the pieces that can be relied on."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def through(
        self,
        dataset: Dataset,
        sources: Sequence[Source],
        take: Callable[[Source, pa.RecordBatch, int], None],
    ) -> list[Source]:
        """Returns the sources of which every piece was handed on."""
        self._findings.files[dataset.name] = len(sources)
        self._findings.rows[dataset.name] = 0
        return [source for source in sources if self._one(dataset, source, take)]

    def _one(
        self,
        dataset: Dataset,
        source: Source,
        take: Callable[[Source, pa.RecordBatch, int], None],
    ) -> bool:
        if not check_structure(dataset, source, self._findings):
            return False
        offset, complete = 0, True
        try:
            for batch in source.batches():
                if check_rows(dataset, source, batch, offset, self._findings):
                    take(source, batch, offset)
                else:
                    complete = False
                offset += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            rule = f"file must be readable Parquet: {error}"
            self._findings.add("unreadable", source.file, None, rule)
            return False
        self._findings.rows[dataset.name] += offset
        return complete
