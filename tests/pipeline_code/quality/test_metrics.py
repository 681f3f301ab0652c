"""The metrics, against examples worked by hand, and their uncertainty."""

import numpy as np
import pytest

from pipeline_code.common.exits import BadInput
from pipeline_code.quality.metrics import (
    auc_roc,
    average_precision,
    card_precision,
    measure,
)
from tests.pipeline_code.quality.some_rows import random_rows, scored


def test_area_and_precision_by_hand() -> None:
    rows = scored([(0, 1, 1, 0.9), (0, 2, 0, 0.8), (0, 3, 1, 0.7), (0, 4, 0, 0.1)])
    assert auc_roc(rows) == 0.75
    assert average_precision(rows) == pytest.approx((1 + 2 / 3) / 2)


@pytest.mark.parametrize("label", [0, 1])
def test_rows_of_one_kind_are_refused(label: int) -> None:
    with pytest.raises(BadInput, match=f"got {2 * label} frauds in 2 rows"):
        scored([(0, 1, label, 0.1), (0, 2, label, 0.2)])


def test_every_metric_comes_with_its_uncertainty() -> None:
    rows = random_rows(3000)
    measured = measure(rows)
    assert measured["auc_roc"].value == pytest.approx(auc_roc(rows))
    assert measured["average_precision"].value == pytest.approx(average_precision(rows))
    assert measured["card_precision_at_100"].value == pytest.approx(np.mean(card_precision(rows)))
    shares = [metric for name, metric in measured.items() if name != "saved_amount"]
    assert all(0 < metric.standard_deviation < 0.1 for metric in shares)


def test_what_is_saved_depends_on_the_reviews_there_are() -> None:
    few, many = (measure(random_rows(3000), reviews_per_day=each) for each in (5, 200))
    assert 0 < few["saved_share"].value < many["saved_share"].value <= 1
    assert few["card_precision_at_100"] == many["card_precision_at_100"]
    frauds = random_rows(3000)
    total = float(frauds.amounts[frauds.labels == 1].sum()) / 100
    assert few["saved_amount"].value == pytest.approx(few["saved_share"].value * total)


def test_more_rows_are_more_certain() -> None:
    few, many = measure(random_rows(500)), measure(random_rows(8000))
    for name in ("auc_roc", "average_precision"):
        assert many[name].standard_deviation < few[name].standard_deviation


def test_measuring_twice_gives_the_same() -> None:
    assert measure(random_rows(500)) == measure(random_rows(500))


def test_a_single_card_has_no_spread() -> None:
    rows = scored([(0, 1, 1, 0.9), (0, 1, 0, 0.1)])
    assert measure(rows)["auc_roc"].standard_deviation == 0.0
