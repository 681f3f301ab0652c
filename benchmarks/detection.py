"""The detection that each feature and each choice brings, by the published protocol.

    python -m benchmarks.detection features --data transactions.parquet
    python -m benchmarks.detection choices --data transactions.parquet
    python -m benchmarks.detection windows --data transactions.parquet --train-start 2018-08-15

Every figure is a mean over folds and seeds; its spread is the standard deviation, over seeds, of
the mean over folds. The default folds are those on which choices are made; a test fold chooses
nothing.

    features  all but one group, and the handbook's features with one group more
    choices   the default hyperparameters with one of them changed
    windows   longer training periods that end on the same day, each on the shortest one's test rows

JSON, by variant: mean and spread, each of auc_roc, average_precision and card_precision_at_100.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.measuring import add_json, write
from operations.data.own.local import read_landing
from pipeline_code.evaluate.backtest import History
from pipeline_code.evaluate.protocol import Fold, folds_back
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.quality.metrics import auc_roc, average_precision, card_precision
from pipeline_code.quality.scored import ScoredRows
from pipeline_code.train.model import fit
from pipeline_code.train.parameters import Parameters

FIGURES = ("auc_roc", "average_precision", "card_precision_at_100")
DAYS = 7
WINDOWS = (7, 21, 49, 90)
RISKS = tuple(name for name in FEATURE_NAMES if name.startswith("terminal_risk_"))
# What this project adds to the handbook's features.
GROUPS = {
    "amount over customer's mean": (
        "amount_over_customer_mean_7d",
        "amount_over_customer_mean_30d",
    ),
    "largest amount": ("customer_max_14d",),
    "spending against earlier": (
        "customer_max_7d_over_max_30d_before_14d",
        "customer_max_7d_over_mean_30d_before_14d",
    ),
    "risk over 2 and 21 days": ("terminal_risk_2d", "terminal_risk_21d"),
    "recency and age": ("customer_since_last", "customer_age_30d", "terminal_age_30d"),
}
CHOICES: dict[str, dict[str, Any]] = {
    "no feature increasing": {"increasing_features": ""},
    "risk of 21 days increasing too": {
        "increasing_features": ",".join(name for name in RISKS if name != "terminal_risk_30d")
    },
    "all risks increasing": {"increasing_features": ",".join(RISKS)},
    "amount increasing too": {
        "increasing_features": f"amount_minor,{Parameters().increasing_features}"
    },
    "70 % of rows a round": {"row_share": 0.7},
    "one tree a round": {"trees_per_round": 1},
    "half the rounds": {"rounds": Parameters().rounds // 2},
    "twice the rounds": {"rounds": Parameters().rounds * 2},
    "depth 4": {"max_depth": 4},
    "depth 8": {"max_depth": 8},
    "leaves of 8 times the weight": {"min_child_weight": 8.0},
    "10 times the penalty": {"l2_penalty": 10.0},
    "a fraud counts 10 times": {"positive_weight": 10.0},
    "a fraud counts 105 times": {"positive_weight": 105.0},
    "stopped on the last 2 days": {
        "validation_days": 2,
        "early_stopping_rounds": 20,
        "rounds": Parameters().rounds * 3,
    },
    "scikit-learn": {"algorithm": "scikit-learn"},
}


def main() -> None:
    """Runs one study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", choices=("features", "choices", "windows"))
    parser.add_argument("--data", type=Path, required=True, help="labelled transactions")
    parser.add_argument("--train-start", type=date.fromisoformat, default=date(2018, 7, 11))
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    add_json(parser)
    arguments = parser.parse_args()
    plan = folds_back(
        arguments.train_start,
        folds=arguments.folds,
        train_days=DAYS,
        delay_days=DAYS,
        test_days=DAYS,
    )
    history = History.build(read_landing(arguments.data))
    variants = {"features": _features, "choices": _choices, "windows": _windows}[arguments.study]()
    result: dict[str, Any] = {}
    for variant in variants:
        result[variant.name] = _measured(history, plan, variant, arguments.seeds)
        # One by one, as a study takes minutes; stdout may be asked to hold the JSON document.
        print(f"{variant.name:44} {_line(result[variant.name])}", file=sys.stderr, flush=True)
    if arguments.json is not None:
        write(result, arguments.json)


@dataclass(frozen=True, slots=True)
class _Variant:
    """One way to learn."""

    name: str
    parameters: Parameters = Parameters()  # noqa: RUF009 - it is frozen
    features: Sequence[str] = FEATURE_NAMES
    train_days: int = DAYS


def _features() -> Iterator[_Variant]:
    added = {name for group in GROUPS.values() for name in group}
    handbook = [name for name in FEATURE_NAMES if name not in added]
    yield _Variant("all features")
    yield _Variant("the handbook's features", features=handbook)
    for title, group in GROUPS.items():
        yield _Variant(f"handbook + {title}", features=[*handbook, *group])
    for title, group in GROUPS.items():
        yield _Variant(
            f"all - {title}", features=[name for name in FEATURE_NAMES if name not in group]
        )


def _choices() -> Iterator[_Variant]:
    yield _Variant("defaults")
    for name, change in CHOICES.items():
        yield _Variant(name, replace(Parameters(), **change))


def _windows() -> Iterator[_Variant]:
    for days in WINDOWS:
        yield _Variant(f"{days} days", train_days=days)


def _measured(
    history: History, plan: Sequence[Fold], variant: _Variant, seeds: int
) -> dict[str, dict[str, float]]:
    figures = np.array(
        [
            np.mean([_figures(history, fold, variant, seed) for fold in plan], axis=0)
            for seed in range(seeds)
        ]
    )
    return {
        "mean": dict(zip(FIGURES, figures.mean(axis=0).tolist(), strict=True)),
        "spread": dict(
            zip(FIGURES, figures.std(axis=0, ddof=min(1, seeds - 1)).tolist(), strict=True)
        ),
    }


def _figures(history: History, fold: Fold, variant: _Variant, seed: int) -> tuple[float, ...]:
    earlier = timedelta(days=variant.train_days - fold.train_days)
    longer = replace(fold, train_start=fold.train_start - earlier, train_days=variant.train_days)
    train = longer.is_training(history.days)
    test = history.masks(fold)[1]
    columns = [FEATURE_NAMES.index(name) for name in variant.features]
    model = fit(
        history.matrix[train][:, columns],
        history.labels[train],
        parameters=replace(variant.parameters, seed=seed),
        names=variant.features,
        times=history.rows.times()[train],
    )
    scored = _scored(history, test, model.predict(history.matrix[test][:, columns]))
    return auc_roc(scored), average_precision(scored), float(np.mean(card_precision(scored)))


def _scored(
    history: History, test: npt.NDArray[np.bool_], scores: npt.NDArray[np.float32]
) -> ScoredRows:
    return ScoredRows(
        days=history.days[test],
        customers=history.customers[test],
        labels=history.labels[test],
        scores=scores.astype(np.float64),
        amounts=history.matrix[test][:, FEATURE_NAMES.index("amount_minor")].astype(np.int64),
        scenarios=history.rows.scenarios()[test],
    )


def _line(result: dict[str, dict[str, float]]) -> str:
    return "  ".join(
        f"{result['mean'][name]:.4f} ±{result['spread'][name]:.4f}" for name in FIGURES
    )


if __name__ == "__main__":
    main()
