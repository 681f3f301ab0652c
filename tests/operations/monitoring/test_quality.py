"""The verb `backtest`: its options reach the protocol, its table fits a terminal."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from operations.cli import app

runner = CliRunner()

DAY = 86_400_000_000
START = int(np.datetime64("2018-06-01", "us").astype(np.int64))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven weeks of transactions, the largest of which are frauds."""
    generator = np.random.default_rng(8)
    count = 49 * 200
    minor = generator.integers(100, 30_000, count)
    table = pa.table(
        {
            "transaction_id": np.arange(count),
            "event_time": pa.array(START + np.arange(count) * (DAY // 200)).cast(
                pa.timestamp("us")
            ),
            "customer_id": generator.integers(0, 2_000, count),
            "terminal_id": generator.integers(0, 100, count),
            "amount": minor / 100,
            "is_fraud": (minor > 28_500).astype(np.int8),
        }
    )
    file = tmp_path_factory.mktemp("data") / "transactions.parquet"
    pq.write_table(table, file)
    return file


def backtest(data: Path, *options: str) -> list[str]:
    fixed = ["backtest", "--data", str(data), "--train-start", "2018-06-22"]
    return [*fixed, "--folds", "2", "--parameter", "rounds=5", *options]


def test_folds_their_mean_and_their_deviation_fit_a_terminal(data: Path) -> None:
    done = runner.invoke(app, backtest(data), env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    rule = next(number for number, line in enumerate(lines) if line.startswith("──"))
    firsts = [line.split()[0] for line in lines[rule + 1 :] if line]
    assert firsts == ["2018-06-22", "2018-06-15", "mean", "deviation"]
    assert "CP@100" in done.output


def test_hyperparameters_and_reviews_reach_the_protocol(data: Path, tmp_path: Path) -> None:
    options = ["--parameter", "max_depth=2", "--reviews-per-day", "3", "--json", "-"]
    done = runner.invoke(app, [*backtest(data, *options), "--report", str(tmp_path)])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert set(result) == {"folds", "mean", "standard_deviation"}
    page = (tmp_path / "2018-06-22" / "report.html").read_text()
    assert "<td>max_depth</td><td>2</td>" in page
    assert "With 3 cards reviewed a day" in page


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--parameter", "max_depth"], "parameter must be name=value, got max_depth"),
        (["--parameter", "depth=3"], "hyperparameters must be among"),
        (["--parameter", "max_depth=99"], "hyperparameter max_depth must be between 1 and 16"),
        (["--algorithm", "forest"], "algorithm must be one of xgboost"),
        (["--folds", "9"], "the training period of the fold starting 2018-05-25 must hold"),
    ],
)
def test_what_cannot_be_run_is_refused(data: Path, options: list[str], message: str) -> None:
    done = runner.invoke(app, backtest(data, *options))
    assert done.exit_code == 1
    assert message in " ".join(done.stderr.split())
