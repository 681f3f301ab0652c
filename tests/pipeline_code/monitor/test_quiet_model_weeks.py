"""What depends on the model: a quiet week raises nothing, whatever the seed and the bank's size."""

import pytest

from pipeline_code.monitor import attribution, bias
from pipeline_code.monitor.attribution_baseline import compute

from .model_weeks import bias_baseline, chunks, labelled, live_scores, weeks


@pytest.mark.parametrize("seed", range(20))
def test_a_quiet_week_raises_nothing(seed: int) -> None:
    week = weeks((80, 300, 600)[seed % 3], seed)
    attributed = attribution.analyze(
        chunks(week.live.matrix()), week.model, *compute(week.model, week.test)
    )
    assert attributed.violations == ()
    statistics, constraints, _ = bias_baseline(week)
    biased = bias.analyze(labelled(week.live, live_scores(week)), statistics, constraints)
    # A small bank has too few frauds to compare segments by.
    assert biased.broken == ()
    assert biased.enough or len(week.live) < 5_000
