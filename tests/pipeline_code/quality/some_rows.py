"""Rows with scores, made by hand or at random."""

import numpy as np
from hypothesis import strategies as st

from pipeline_code.quality.scored import ScoredRows

Row = tuple[int, int, int, float]


def scored(rows: list[Row], amounts: list[int] | None = None) -> ScoredRows:
    """Rows of (day, customer, label, score)."""
    days, customers, labels, scores = zip(*rows, strict=True)
    return ScoredRows(
        days=np.array(days, dtype=np.int64),
        customers=np.array(customers, dtype=np.int64),
        labels=np.array(labels, dtype=np.int8),
        scores=np.array(scores, dtype=np.float64),
        amounts=np.array([100] * len(rows) if amounts is None else amounts, dtype=np.int64),
        scenarios=np.zeros(len(rows), dtype=np.int8),
    )


def random_rows(count: int, seed: int = 4, *, skill: float = 0.3) -> ScoredRows:
    """A week of five transactions a card, a tenth of them frauds, that the scores half tell."""
    generator = np.random.default_rng(seed)
    labels = (generator.random(count) < 0.1).astype(np.int8)
    return ScoredRows(
        days=generator.integers(0, 7, count),
        customers=generator.integers(0, count // 5, count),
        labels=labels,
        scores=(labels * skill + generator.random(count)) / (1 + skill),
        amounts=generator.integers(100, 30_000, count),
        scenarios=np.where(labels == 1, generator.integers(0, 4, count), 0).astype(np.int8),
    )


def mixed_rows(most: int = 60) -> st.SearchStrategy[list[Row]]:
    """Few days, cards and scores, so that everything ties with something."""
    row = st.tuples(
        st.integers(0, 3), st.integers(0, 8), st.integers(0, 1), st.sampled_from([0.1, 0.5, 0.9])
    )
    return st.lists(row, min_size=2, max_size=most).filter(
        lambda rows: 0 < sum(row[2] for row in rows) < len(rows)
    )
