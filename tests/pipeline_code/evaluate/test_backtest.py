"""The backtest: a fold's figures, built from raw transactions, without a leak from the future."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline_code.common.exits import BadInput
from pipeline_code.evaluate import backtest
from pipeline_code.evaluate.backtest import METRICS
from pipeline_code.train.algorithms import ALGORITHMS
from pipeline_code.train.parameters import Parameters

DAY = 86_400_000_000
QUICK = Parameters(rounds=5, max_depth=4)
FIRST = np.datetime64("2018-06-01", "D")


def transactions(days: int = 49, a_day: int = 300) -> pa.Table:
    """Raw transactions of weeks; frauds are large amounts, in three cards out of four new each."""
    generator = np.random.default_rng(8)
    count = days * a_day
    minor = generator.integers(100, 30_000, count)
    fraud = minor > 28_500
    start = FIRST.astype("datetime64[us]").astype(np.int64)
    return pa.table(
        {
            "transaction_id": np.arange(count),
            "event_time": pa.array(start + np.arange(count) * (DAY // a_day)).cast(
                pa.timestamp("us")
            ),
            "customer_id": generator.integers(0, 3_000, count).astype(np.int32),
            "terminal_id": generator.integers(0, 100, count).astype(np.int32),
            "amount": minor / 100,
            "is_fraud": fraud.astype(np.int8),
        }
    )


def run(data: pa.Table, **changes: object) -> dict[str, Any]:
    lengths: dict[str, Any] = {
        "folds": 2,
        "train_days": 7,
        "delay_days": 7,
        "test_days": 7,
    } | changes
    return backtest.run(data, date(2018, 6, 22), parameters=QUICK, **lengths)


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return run(transactions())


def test_folds_go_back_from_the_given_start(report: dict[str, Any]) -> None:
    assert [fold["train_start"] for fold in report["folds"]] == ["2018-06-22", "2018-06-15"]


def test_folds_count_their_rows(report: dict[str, Any]) -> None:
    for fold in report["folds"]:
        assert fold["train_rows"] == 2_100
        # Cards with a known fraud are gone from the test rows.
        assert 1_800 < fold["test_rows"] < 2_100


def test_means_and_deviations_are_over_folds(report: dict[str, Any]) -> None:
    folds = list(report["folds"])
    assert set(report["mean"]) == set(report["standard_deviation"]) == set(METRICS)
    for name in METRICS:
        values = [fold[name] for fold in folds]
        assert report["mean"][name] == pytest.approx(np.mean(values))
        assert report["standard_deviation"][name] == pytest.approx(np.std(values, ddof=1))
    assert report["mean"]["auc_roc"] > 0.95


def test_one_fold_has_no_deviation() -> None:
    assert set(run(transactions(), folds=1)["standard_deviation"].values()) == {0.0}


def test_more_reviews_catch_more(report: dict[str, Any]) -> None:
    few = run(transactions(), reviews_per_day=2)
    assert few["mean"]["recall"] < report["mean"]["recall"]
    assert few["mean"]["saved_share"] < report["mean"]["saved_share"]
    assert few["mean"]["auc_roc"] == report["mean"]["auc_roc"]


def test_a_report_of_each_fold_is_written(report: dict[str, Any], tmp_path: Path) -> None:
    data = transactions()
    # The file says of which kind its frauds are.
    scenario = pa.array(3 * data["is_fraud"].to_numpy())
    told = run(data.append_column("fraud_scenario", scenario), report=tmp_path)
    assert told == report
    assert {folder.name for folder in tmp_path.iterdir()} == {"2018-06-22", "2018-06-15"}
    page = (tmp_path / "2018-06-22" / "report.html").read_text()
    assert "scenario: leaked card" in page
    assert f"{told['folds'][0]['average_precision']:.4f}" in page


def test_what_a_fold_cannot_be_learned_from_names_the_fold() -> None:
    late = Parameters(rounds=5, max_depth=4, validation_days=30)
    with pytest.raises(BadInput, match="the fold starting 2018-06-22: "):
        backtest.run(
            transactions(),
            date(2018, 6, 22),
            folds=1,
            train_days=7,
            delay_days=7,
            test_days=7,
            parameters=late,
        )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_is_measured_alike(algorithm: str) -> None:
    chosen = Parameters(algorithm=algorithm, rounds=5, max_depth=4, learning_rate=0.5)
    told = backtest.run(
        transactions(),
        date(2018, 6, 22),
        folds=1,
        train_days=7,
        delay_days=7,
        test_days=7,
        parameters=chosen,
    )
    assert told["mean"]["auc_roc"] > 0.95


def test_what_comes_later_changes_nothing(report: dict[str, list[object]]) -> None:
    data = transactions()
    # The oldest fold ends on 2018-07-06; whatever follows is turned upside down.
    later = data["event_time"].to_numpy() >= np.datetime64("2018-07-06")
    altered = data.set_column(4, "amount", pa.array(np.where(later, 1.0, data["amount"])))
    altered = altered.set_column(
        5, "is_fraud", pa.array(np.where(later, 1, data["is_fraud"]).astype(np.int8))
    )
    assert backtest.run(
        altered,
        date(2018, 6, 15),
        folds=1,
        train_days=7,
        delay_days=7,
        test_days=7,
        parameters=QUICK,
    )["folds"] == [report["folds"][1]]


def test_a_fold_outside_the_data_is_refused() -> None:
    with pytest.raises(
        BadInput, match="training period of the fold starting 2018-05-25 must hold frauds"
    ):
        run(transactions(), folds=5)


def test_a_fold_without_fraud_is_refused() -> None:
    data = transactions()
    honest = data.set_column(5, "is_fraud", pa.array(np.zeros(data.num_rows, np.int8)))
    with pytest.raises(BadInput, match="got 0 frauds in 2100 rows; the data goes from 2018-06-01"):
        run(honest)


def test_rows_that_break_a_rule_are_refused() -> None:
    with pytest.raises(BadInput, match="column amount must be present"):
        run(transactions().drop_columns(["amount"]))
