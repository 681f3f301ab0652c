"""Importances: the features that decide come first, and contributions add up."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.quality.importance import importances
from pipeline_code.train.model import Model
from pipeline_code.train.rows import FeatureRows


def test_what_frauds_are_made_of_comes_first(trained: Model, test_table: pa.Table) -> None:
    found = importances(trained, FeatureRows(test_table).matrix())
    assert {each.feature for each in found[:2]} == {"amount_minor", "terminal_risk_7d"}
    assert sorted(each.feature for each in found) == sorted(FEATURE_NAMES)
    sizes = [each.mean_contribution for each in found]
    assert sizes == sorted(sizes, reverse=True)


def test_it_is_the_mean_size_of_contributions(trained: Model, test_table: pa.Table) -> None:
    # So few that all of them are looked at.
    rows = FeatureRows(test_table).matrix()[:500]
    by_name = {each.feature: each.mean_contribution for each in importances(trained, rows)}
    sizes = np.abs(trained.contributions(rows)).mean(axis=0)
    for place, name in enumerate(FEATURE_NAMES):
        assert by_name[name] == pytest.approx(float(sizes[place]), rel=1e-5)
