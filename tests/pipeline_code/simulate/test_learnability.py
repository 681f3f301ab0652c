"""What was simulated can be learned: the frauds show in the features, late reports and all."""

from datetime import date

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score

from pipeline_code.features.batch import compute
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.simulate import SimulationConfig, simulate


@pytest.mark.parametrize("seed", [7, 11])
def test_a_model_finds_the_frauds_of_a_small_world(seed: int) -> None:
    simulation = simulate(
        SimulationConfig(start=date(2018, 4, 1), days=50, customers=200, terminals=400, seed=seed)
    )
    vectors = compute(simulation.transactions, simulation.fraud_reports)
    features = np.column_stack([vectors[name].to_numpy() for name in FEATURE_NAMES])
    is_fraud = np.isin(
        vectors["transaction_id"].to_numpy(), simulation.fraud_reports["transaction_id"].to_numpy()
    )
    days = vectors["event_time"].cast("int64").to_numpy() // 86_400_000_000
    days -= days.min()
    # A week lies between, in which reports are still to come.
    train, test = (days >= 8) & (days < 36), days >= 43
    model = HistGradientBoostingClassifier(
        max_iter=60, max_depth=5, learning_rate=0.15, random_state=0
    )
    model.fit(features[train], is_fraud[train])
    scores = model.predict_proba(features[test])[:, 1]
    assert is_fraud[test].sum() >= 20
    assert average_precision_score(is_fraud[test], scores) > 0.45
