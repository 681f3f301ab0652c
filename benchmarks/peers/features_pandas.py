"""The declared features by pandas' groupby().rolling(), as the Fraud Detection Handbook has them.

The Handbook (Le Borgne, Siblini, Lebichot, Bontempi: Reproducible Machine Learning for Credit Card
Fraud Detection) groups by customer and by terminal, rolls over time, and has matured counts as the
difference of two windows; the code here is ours. Exact sliding windows, Parquet to Parquet.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline_code.features.declarations import (
    CUSTOMER,
    TERMINAL,
    Aggregation,
    Derivation,
    Formula,
    Operation,
    RequestValue,
    Source,
)
from pipeline_code.features.definitions import FEATURES

__all__ = ["run"]


def run(lake: Path, output: Path) -> int:
    """Computes all features of a lake into one file; returns how many rows it has."""
    transactions = _read(lake / "transactions").sort_values(["event_time", "transaction_id"])
    reports = _read(lake / "fraud_reports")
    totals = dict.fromkeys(total for feature in FEATURES for total in feature.aggregations)
    values: dict[Aggregation, pd.Series] = {}
    for entity in (CUSTOMER, TERMINAL):
        events = _events(transactions, reports)
        mine = [total for total in totals if total.entity == entity]
        groups = events.groupby(entity.record_identifier, sort=False)
        rolled = pd.concat([_roll(group, mine) for _, group in groups])
        rolled = rolled[rolled["reported"] == 0].set_index("transaction_id")
        values |= {total: rolled[str(place)] for place, total in enumerate(mine)}
    rows = transactions.set_index("transaction_id")
    features = rows[["event_time", "customer_id", "terminal_id"]].copy()
    for feature in FEATURES:
        features[feature.name] = _evaluate(feature.formula, values, rows).astype(np.float32)
    features.to_parquet(output)
    return len(features)


def _read(folder: Path) -> pd.DataFrame:
    files = sorted(folder.rglob("*.parquet"))
    return pd.concat([pd.read_parquet(file, partitioning=None) for file in files])


def _events(transactions: pd.DataFrame, reports: pd.DataFrame) -> pd.DataFrame:
    spent = transactions.assign(known=transactions["event_time"], reported=0)
    told = reports.assign(known=reports["report_time"], reported=1, amount_minor=0)
    names = ["transaction_id", "known", "customer_id", "terminal_id", "amount_minor", "reported"]
    return pd.concat([spent[names], told[names]]).sort_values("known", kind="stable")


def _roll(group: pd.DataFrame, totals: list[Aggregation]) -> pd.DataFrame:
    group = group.set_index("known")
    result = group[["transaction_id", "reported"]].copy()
    for place, total in enumerate(totals):
        result[str(place)] = _total(group, total).to_numpy()
    return result


def _total(group: pd.DataFrame, total: Aggregation) -> pd.Series:
    wanted = group["reported"] == (1 if total.source is Source.REPORTS else 0)
    amounts, ones = group["amount_minor"].where(wanted, 0), wanted.astype(np.int64)
    whole, newest = total.age + total.window.length, total.age
    times = pd.Series(group.index.astype(np.int64) // 10**6, group.index)
    match total.operation:
        case Operation.COUNT | Operation.SUM:
            added = ones if total.operation is Operation.COUNT else amounts
            counted = added.rolling(whole).sum()
            return counted - added.rolling(newest).sum() if newest else counted
        case Operation.MAX:
            largest = amounts.rolling(total.window.length).max()
            if not newest:
                return largest
            # A rolling window ends at its row: what ended earlier is looked up there.
            places = group.index.searchsorted(group.index - newest, "right") - 1
            return pd.Series(np.where(places < 0, 0, largest.to_numpy()[places]), group.index)
        case Operation.SINCE_LAST:
            return times.diff().fillna(total.window.length.total_seconds())
        case Operation.AGE:
            return times - times.rolling(total.window.length).min()


def _evaluate(
    formula: Formula, values: dict[Aggregation, pd.Series], rows: pd.DataFrame
) -> pd.Series:
    if isinstance(formula, Derivation):
        dividend = _evaluate(formula.dividend, values, rows)
        divisor = _evaluate(formula.divisor, values, rows)
        return (dividend / divisor.where(divisor != 0)).fillna(0)
    if isinstance(formula, Aggregation):
        return values[formula].reindex(rows.index)
    said = {
        RequestValue.AMOUNT: lambda: rows["amount_minor"],
        RequestValue.WEEKEND: lambda: rows["event_time"].dt.dayofweek >= 5,
        RequestValue.NIGHT: lambda: rows["event_time"].dt.hour <= 6,
    }
    return said[formula]().astype(np.float64)
