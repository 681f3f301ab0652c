"""The published protocol run over a file of transactions: one model per fold, and the means.

backtest.run(table, date(2018, 8, 15), folds=4, train_days=7, delay_days=7, test_days=7)["mean"]
# {"auc_roc": ..., "average_precision": ..., "card_precision_at_100": ..., ...}
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_code.common.exits import BadInput
from pipeline_code.common.lake import Landing
from pipeline_code.contracts.reviews import CARDS_REVIEWED_A_DAY
from pipeline_code.evaluate.assessment import Assessment
from pipeline_code.evaluate.evaluation import Evaluation, evaluate
from pipeline_code.evaluate.protocol import Fold, folds_back, known_compromised
from pipeline_code.features.batch import compute
from pipeline_code.landing import prepare
from pipeline_code.quality.importance import importances
from pipeline_code.train.batches import LABEL
from pipeline_code.train.model import Model, fit
from pipeline_code.train.parameters import Parameters
from pipeline_code.train.rows import SCENARIO, FeatureRows

__all__ = ["METRICS", "History", "run"]

METRICS = (
    "auc_roc",
    "average_precision",
    "card_precision_at_100",
    "recall",
    "saved_share",
    "expected_calibration_error",
)


def run(
    data: pa.Table | Landing,
    train_start: date,
    folds: int,
    train_days: int,
    delay_days: int,
    test_days: int,
    parameters: Parameters | None = None,
    reviews_per_day: int = CARDS_REVIEWED_A_DAY,
    report: Path | None = None,
) -> dict[str, Any]:
    """Runs the protocol; folds go back one week each.

    Features are computed from what was known at each transaction's time, so later rows of the file
    cannot leak into earlier ones. Labels are the file's.

    Args:
        data: Transactions in the lake's types, or a user's as `pipeline_code.landing` has them.
        train_start: First training day of the newest fold.
        folds: How many folds.
        train_days: Length of a training period.
        delay_days: Days between training and test, until labels are known.
        test_days: Length of a test period.
        parameters: Hyperparameters; the defaults if omitted.
        reviews_per_day: Cards that can be looked at each day, for recall and the amount saved.
        report: Folder for a report of each fold, named by its first training day; none if omitted.

    Raises:
        BadInput: The rows break a rule, or a fold has no rows or no fraud in one of its periods.
    """
    plan = folds_back(
        train_start,
        folds=folds,
        train_days=train_days,
        delay_days=delay_days,
        test_days=test_days,
    )
    chosen = Parameters() if parameters is None else parameters
    history = History.build(data)
    for fold in plan:
        history.check(fold)
    results = [history.run(fold, chosen, reviews_per_day, report) for fold in plan]
    return {
        "folds": results,
        "mean": mean(results),
        "standard_deviation": spread(results),
    }


def mean(results: Iterable[dict[str, Any]]) -> dict[str, float]:
    """The mean of each metric over folds."""
    rows = list(results)
    return {name: float(np.mean([row[name] for row in rows])) for name in METRICS}


def spread(results: Iterable[dict[str, Any]]) -> dict[str, float]:
    """The standard deviation of each metric over folds; 0 if there is one fold only."""
    rows = list(results)
    freedom = min(1, len(rows) - 1)
    return {name: float(np.std([row[name] for row in rows], ddof=freedom)) for name in METRICS}


@dataclass(frozen=True, slots=True)
class History:
    """Every transaction with its features, label, day and customer; built once for all folds."""

    rows: FeatureRows
    matrix: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int8]
    days: npt.NDArray[np.int64]
    customers: npt.NDArray[np.int64]

    @classmethod
    def build(cls, data: pa.Table | Landing) -> "History":
        """Computes the features of all rows."""
        landing = data if isinstance(data, Landing) else prepare(data)
        table = compute(landing.transactions, landing.fraud_reports)
        rows = FeatureRows(_labelled(table, landing.fraud_reports))
        return cls(rows, rows.matrix(), rows.labels(), rows.days(), rows.customers())

    def run(
        self, fold: Fold, parameters: Parameters, reviews_per_day: int, report: Path | None
    ) -> dict[str, Any]:
        """Trains on the fold's first period and measures on its last."""
        train, test = self.masks(fold)
        model = self._fit(fold, train, parameters)
        rows = self.rows.filter(test)
        evaluation = evaluate(model, rows, reviews_per_day=reviews_per_day)
        if report is not None:
            # Matplotlib takes a second to import, for one option of one verb.
            from pipeline_code.evaluate.report import write_report  # noqa: PLC0415

            assessment = Assessment(
                metadata=model.metadata,
                evaluation=evaluation,
                importances=importances(model, rows.matrix()),
                removed=int(fold.is_testing(self.days).sum() - test.sum()),
            )
            write_report(assessment, report / fold.train_start.isoformat())
        return {
            "train_start": fold.train_start.isoformat(),
            "train_rows": int(train.sum()),
            "test_rows": int(test.sum()),
            "threshold": evaluation.threshold,
            **_figures(evaluation),
        }

    def _fit(self, fold: Fold, train: npt.NDArray[np.bool_], parameters: Parameters) -> Model:
        rows = self.rows.filter(train)
        first_event, last_event = rows.period()
        try:
            return fit(
                self.matrix[train],
                self.labels[train],
                parameters=parameters,
                times=rows.times(),
                first_event=first_event,
                last_event=last_event,
            )
        except BadInput as error:
            raise BadInput(f"the fold starting {fold.train_start}: {error}") from error

    def check(self, fold: Fold) -> None:
        """Raises BadInput if a period of the fold holds no fraud, or nothing else."""
        for name, mask in zip(("training", "test"), self.masks(fold), strict=True):
            frauds = int(self.labels[mask].sum())
            if not 0 < frauds < int(mask.sum()):
                raise BadInput(
                    f"the {name} period of the fold starting {fold.train_start} must hold frauds "
                    f"and genuine transactions, got {frauds} frauds in {int(mask.sum())} rows; "
                    f"the data goes from {self._day(0)} to {self._day(-1)}"
                )

    def _known_compromised(self, fold: Fold) -> npt.NDArray[np.bool_]:
        frauds = self.labels == 1
        return known_compromised(
            self.days,
            self.customers,
            fraud_days=self.days[frauds],
            fraud_customers=self.customers[frauds],
            since=fold.train_start,
            delay_days=fold.delay_days,
        )

    def masks(self, fold: Fold) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """The training rows, and the test rows without the cards known to be compromised."""
        testing = fold.is_testing(self.days) & ~self._known_compromised(fold)
        return fold.is_training(self.days), testing

    def _day(self, index: int) -> str:
        return self.rows.period()[index][:10]


def _figures(evaluation: Evaluation) -> dict[str, float]:
    """The fold's METRICS."""
    error = evaluation.calibration.expected_calibration_error
    return {
        **{name: metric.value for name, metric in evaluation.metrics.items() if name in METRICS},
        "recall": evaluation.rates["recall"].value,
        "expected_calibration_error": error,
    }


def _labelled(table: pa.Table, reports: pa.Table) -> pa.Table:
    """Feature rows with their label and, where it is known, the scenario of their fraud."""
    index = pc.index_in(table["transaction_id"], value_set=reports["transaction_id"])
    scenarios = pc.fill_null(pc.take(reports["fraud_scenario"], index), 0)
    labels = pc.is_valid(index).cast(pa.int8())
    return table.append_column(LABEL, labels).append_column(SCENARIO, scenarios)
