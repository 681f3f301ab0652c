"""The published protocol run over a file of transactions: one model per fold, and the means.

backtest.run(table, date(2018, 8, 15), folds=4, train_days=7, delay_days=7, test_days=7)["mean"]
# {"auc_roc": ..., "average_precision": ..., "card_precision_at_100": ...}
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_code.common.exits import BadInput
from pipeline_code.common.landing import prepare
from pipeline_code.evaluate import metrics
from pipeline_code.evaluate.protocol import Fold, folds_back, known_compromised
from pipeline_code.evaluate.scored import Scored
from pipeline_code.features.batch import compute
from pipeline_code.train.batches import LABEL
from pipeline_code.train.model import fit
from pipeline_code.train.parameters import Parameters
from pipeline_code.train.rows import FeatureRows

METRICS = ("auc_roc", "average_precision", "card_precision_at_100")


def run(
    data: pa.Table,
    train_start: date,
    folds: int,
    train_days: int,
    delay_days: int,
    test_days: int,
    parameters: Parameters | None = None,
) -> dict[str, Any]:
    """Runs the protocol; folds go back one week each.

    Features are computed from what was known at each transaction's time, so later rows of the file
    cannot leak into earlier ones. Labels are the file's.

    Args:
        data: A user's transactions, in the form that `fraudloop ingest` takes.
        train_start: First training day of the newest fold.
        folds: How many folds.
        train_days: Length of a training period.
        delay_days: Days between training and test, until labels are known.
        test_days: Length of a test period.
        parameters: Hyperparameters; the defaults if omitted.

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
    results = [history.run(fold, chosen) for fold in plan]
    return {"folds": results, "mean": mean(results)}


def mean(results: Iterable[dict[str, Any]]) -> dict[str, float]:
    """The mean of each metric over folds."""
    rows = list(results)
    return {name: float(np.mean([row[name] for row in rows])) for name in METRICS}


@dataclass(frozen=True, slots=True)
class History:
    """Every transaction with its features, label, day and customer; built once for all folds."""

    rows: FeatureRows
    matrix: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int8]
    days: npt.NDArray[np.int64]
    customers: npt.NDArray[np.int64]

    @classmethod
    def build(cls, data: pa.Table) -> "History":
        """Computes the features of all rows."""
        landing = prepare(data)
        table = compute(landing.transactions, landing.fraud_reports)
        reported = pc.is_in(
            table["transaction_id"], value_set=landing.fraud_reports["transaction_id"]
        )
        rows = FeatureRows(table.append_column(LABEL, reported.cast(pa.int8())))
        return cls(rows, rows.matrix(), rows.labels(), rows.days(), rows.customers())

    def run(self, fold: Fold, parameters: Parameters) -> dict[str, Any]:
        """Trains on the fold's first period and measures on its last."""
        train, test = self._masks(fold)
        model = fit(self.matrix[train], self.labels[train], parameters=parameters)
        scored = Scored.of(model, self.rows.filter(test))
        return {
            "train_start": fold.train_start.isoformat(),
            "train_rows": int(train.sum()),
            "test_rows": int(test.sum()),
            "auc_roc": metrics.auc_roc(scored),
            "average_precision": metrics.average_precision(scored),
            "card_precision_at_100": float(np.mean(metrics.card_precision(scored))),
        }

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

    def check(self, fold: Fold) -> None:
        """Raises BadInput if a period of the fold holds no fraud, or nothing else."""
        for name, mask in zip(("training", "test"), self._masks(fold), strict=True):
            frauds = int(self.labels[mask].sum())
            if not 0 < frauds < int(mask.sum()):
                raise BadInput(
                    f"the {name} period of the fold starting {fold.train_start} must hold frauds "
                    f"and genuine transactions, got {frauds} frauds in {int(mask.sum())} rows; "
                    f"the data goes from {self._day(0)} to {self._day(-1)}"
                )

    def _masks(self, fold: Fold) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """The training rows, and the test rows without the cards known to be compromised."""
        testing = fold.is_testing(self.days) & ~self._known_compromised(fold)
        return fold.is_training(self.days), testing

    def _day(self, place: int) -> str:
        return self.rows.period()[place][:10]
