"""What an evaluation measures, each figure with its uncertainty."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score

from pipeline_code.common.exits import BadInput

CARDS_REVIEWED_A_DAY = 100
RESAMPLES = 30

Floats = npt.NDArray[np.float64]
Rank = Callable[[npt.NDArray[np.int8], Floats, Floats], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Test rows and the scores a model gave them.

    Raises:
        BadInput: If there is no fraud among the rows, or nothing else.
    """

    days: npt.NDArray[np.int64]
    customers: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int8]
    scores: Floats

    def __post_init__(self) -> None:
        frauds = int(self.labels.sum())
        if not 0 < frauds < len(self.labels):
            raise BadInput(
                "test rows must hold both frauds and genuine transactions, "
                f"got {frauds} frauds in {len(self.labels)} rows"
            )


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure and how far it would move on other cards of the same days."""

    value: float
    standard_deviation: float


def auc_roc(scored: Scored) -> float:
    """Probability that a fraud scores above a genuine transaction."""
    return float(roc_auc_score(scored.labels, scored.scores))


def average_precision(scored: Scored) -> float:
    """Precision averaged over recall."""
    return float(average_precision_score(scored.labels, scored.scores))


def card_precision(scored: Scored, k: int = CARDS_REVIEWED_A_DAY) -> list[float]:
    """Card precision@k of each test day, as the Fraud Detection Handbook defines it.

    Each day the k cards with the highest score are reviewed; a card's score is the highest among
    its transactions of that day. The precision is the share of these k cards that have a fraud on
    that day. A card found that way is blocked: it is not looked at on later days. Equal scores rank
    by customer id.
    """
    found: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
    precisions = []
    for day in np.unique(scored.days):
        rows = (scored.days == day) & ~np.isin(scored.customers, found)
        cards, card_of_row = np.unique(scored.customers[rows], return_inverse=True)
        highest = np.full(len(cards), -np.inf)
        np.maximum.at(highest, card_of_row, scored.scores[rows])
        is_fraud = np.zeros(len(cards), dtype=np.bool_)
        np.logical_or.at(is_fraud, card_of_row, scored.labels[rows] == 1)
        reviewed = np.argsort(-highest, kind="stable")[:k]
        hits = cards[reviewed][is_fraud[reviewed]]
        found = np.concatenate([found, hits])
        precisions.append(len(hits) / k)
    return precisions


def measure(scored: Scored, *, seed: int = 7) -> dict[str, Metric]:
    """All metrics, by the names that evaluation.json gives them.

    The standard deviation of the first two is that of a bootstrap over cards, since a card's
    transactions resemble each other; that of card precision is the standard error of the mean over
    days.
    """
    precisions = card_precision(scored)
    by_day = float(np.std(precisions, ddof=1)) if len(precisions) > 1 else 0.0
    draws = _resamples(scored, seed)
    return {
        "auc_roc": Metric(auc_roc(scored), _deviation(roc_auc_score, scored, draws)),
        "average_precision": Metric(
            average_precision(scored), _deviation(average_precision_score, scored, draws)
        ),
        "card_precision_at_100": Metric(
            float(np.mean(precisions)), by_day / float(np.sqrt(len(precisions)))
        ),
    }


def _resamples(scored: Scored, seed: int) -> list[Floats]:
    """Row weights of each bootstrap resample: how often the row's card was drawn."""
    cards, card_of_row = np.unique(scored.customers, return_inverse=True)
    generator = np.random.default_rng(seed)
    weights = [
        np.bincount(generator.integers(len(cards), size=len(cards)), minlength=len(cards))[
            card_of_row
        ].astype(np.float64)
        for _ in range(RESAMPLES)
    ]
    # A resample without any fraud, or with nothing else, ranks nothing.
    return [draw for draw in weights if 0 < draw @ scored.labels < draw.sum()]


def _deviation(rank: Callable[..., float], scored: Scored, draws: list[Floats]) -> float:
    if len(draws) < 2:  # noqa: PLR2004 - a deviation needs two values
        return 0.0
    return float(
        np.std([rank(scored.labels, scored.scores, sample_weight=draw) for draw in draws], ddof=1)
    )
