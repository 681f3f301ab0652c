"""What depends on the model: a quiet week raises nothing, whatever the seed and the bank's size."""

import pytest

from pipeline_code.monitor.attribution import analysis as attribution
from pipeline_code.monitor.bias import analysis as bias
from tests.pipeline_code.monitor.model_weeks import (
    attribution_baseline,
    bias_baseline,
    chunks,
    labelled,
    live_scores,
    weeks,
)


@pytest.mark.parametrize("seed", range(20))
def test_a_quiet_week_raises_nothing(seed: int) -> None:
    week = weeks((80, 300, 600)[seed % 3], seed)
    attributed = attribution.analyze(
        chunks(week.live.matrix()), week.model, *attribution_baseline(week)
    )
    assert attributed.violations == ()
    statistics, constraints, _ = bias_baseline(week)
    biased = bias.analyze(labelled(week.live, live_scores(week)), statistics, constraints)
    # A small bank has too few frauds to compare segments by.
    assert biased.broken == ()
    assert biased.enough or len(week.live) < 5_000
