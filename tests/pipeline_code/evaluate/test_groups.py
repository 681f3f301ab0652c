"""Scenarios, segments and the difference in recall between them."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline_code.evaluate.groups import (
    Difference,
    Group,
    by_scenario,
    by_segment,
    proven_bias,
)
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.quality.bootstrap import Resampling
from pipeline_code.quality.scored import ScoredRows
from pipeline_code.quality.segments import KINDS, segments_of
from tests.pipeline_code.quality.some_rows import random_rows, scored


def in_segments(rows: ScoredRows, codes: np.ndarray) -> ScoredRows:
    return replace(rows, segments={"activity": codes.astype(np.int8)})


def segments(rows: ScoredRows, threshold: float) -> tuple[list[Group], list[Difference]]:
    groups, differences = by_segment(rows, rows.scores >= threshold, Resampling.of(rows, 200))
    return groups["activity"], differences


def uneven(count: int, weak: float, seed: int = 3) -> ScoredRows:
    """Frauds of the third segment reach the threshold 0.5 more seldom than others' (0.8)."""
    generator = np.random.default_rng(1_000 + seed)
    rows = random_rows(count, seed)
    codes = rows.customers % 3
    chance = np.where(codes == 2, weak, 0.8)
    scores = np.where(generator.random(count) < chance, 0.9, 0.1)
    return in_segments(replace(rows, scores=scores), codes)


def test_segments_follow_their_boundaries() -> None:
    rows = np.zeros((3, len(FEATURE_NAMES)), dtype=np.float32)
    rows[:, FEATURE_NAMES.index("customer_count_30d")] = [29, 30, 90]
    rows[:, FEATURE_NAMES.index("customer_age_30d")] = [0, 21 * 86_400 - 256, 21 * 86_400]
    rows[:, FEATURE_NAMES.index("customer_mean_amount_30d")] = [2_499, 2_500, 7_500]
    codes = segments_of(rows)
    assert codes["activity"].tolist() == [0, 1, 2]
    assert codes["tenure"].tolist() == [0, 0, 1]
    assert codes["spending"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_names_its_segments(kind: object) -> None:
    assert len(kind.segments) == len(kind.boundaries) + 1  # type: ignore[attr-defined]
    assert kind.feature in FEATURE_NAMES  # type: ignore[attr-defined]


def test_a_segments_figures_by_hand() -> None:
    rows = scored(
        [(0, 1, 1, 0.9), (0, 1, 1, 0.1), (0, 2, 0, 0.9), (0, 3, 0, 0.2), (0, 4, 1, 0.8)],
        [100, 300, 5, 5, 1000],
    )
    groups, _ = segments(in_segments(rows, np.array([0, 0, 1, 1, 0])), 0.5)
    occasional, regular, frequent = groups
    assert (occasional.name, occasional.rows, occasional.frauds) == ("occasional", 3, 3)
    assert occasional.fraud_amount == 14.0
    assert occasional.recall is not None
    assert occasional.recall.value == pytest.approx(2 / 3)
    assert occasional.caught_amount_share == pytest.approx(1100 / 1400)
    assert occasional.false_positive_rate is None
    assert (regular.recall, regular.caught_amount_share) == (None, None)
    assert regular.false_positive_rate is not None
    assert regular.false_positive_rate.value == 0.5
    assert (frequent.rows, frequent.recall) == (0, None)


def test_scenarios_are_those_of_frauds_only() -> None:
    rows = replace(
        scored([(0, 1, 1, 0.9), (0, 2, 1, 0.1), (0, 3, 0, 0.9), (0, 4, 1, 0.9)]),
        scenarios=np.array([2, 2, 0, 7], dtype=np.int8),
    )
    found = by_scenario(rows, rows.scores >= 0.5, Resampling.of(rows, 20))
    assert [(each.name, each.frauds) for each in found] == [
        ("compromised terminal", 2),
        ("scenario 7", 1),
    ]
    assert found[0].recall is not None
    assert found[0].recall.value == 0.5


def test_a_real_difference_is_proven_and_no_more_than_it() -> None:
    groups, differences = segments(uneven(20_000, weak=0.3), 0.5)
    (difference,) = differences
    assert difference.kind == "activity"
    assert difference.worst == "frequent"
    recalls = {each.name: each.recall.value for each in groups if each.recall is not None}
    gap = recalls[difference.best] - recalls["frequent"]
    assert difference.recall_difference == pytest.approx(gap)
    assert 0.4 < difference.proven < difference.recall_difference
    assert proven_bias(differences) == difference.proven


def test_chance_is_hardly_ever_held_against_a_model() -> None:
    proven = [
        proven_bias(segments(uneven(1_500, weak=0.8, seed=seed), 0.5)[1]) for seed in range(40)
    ]
    # The worst of three is picked before it is tested, so a little more than one in forty.
    assert sum(value > 0.05 for value in proven) <= 3


def test_segments_with_few_frauds_are_not_judged() -> None:
    rows = uneven(400, weak=0.0)
    codes = np.where(np.arange(400) < 390, 0, 2)
    groups, differences = segments(in_segments(rows, codes), 0.5)
    assert groups[2].frauds < 20
    assert differences == []
    assert proven_bias(differences) == 0.0
