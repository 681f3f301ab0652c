"""What follows from the declarations: order, columns, horizons, windows."""

from datetime import timedelta

import pytest

from pipeline_code.features.declarations import Window
from pipeline_code.features.definitions import (
    CUSTOMER,
    FEATURE_NAMES,
    FEATURES,
    TERMINAL,
    feature_group_columns,
)
from pipeline_code.features.plan import plan_of


def feature(name: str):  # type: ignore[no-untyped-def]
    return next(feature for feature in FEATURES if feature.name == name)


def test_names_are_unique_and_their_order_is_pinned() -> None:
    """Models and CSV rows are read by place: an order may grow, never change."""
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)
    assert FEATURE_NAMES[:17] == (
        "amount_minor",
        "is_weekend",
        "is_night",
        "customer_count_1d",
        "customer_count_7d",
        "customer_count_30d",
        "customer_mean_amount_1d",
        "customer_mean_amount_7d",
        "customer_mean_amount_30d",
        "terminal_count_1d",
        "terminal_count_7d",
        "terminal_count_30d",
        "terminal_risk_1d",
        "terminal_risk_7d",
        "terminal_risk_30d",
        "amount_over_customer_mean_7d",
        "amount_over_customer_mean_30d",
    )


def test_feature_groups_hold_the_state_and_what_needs_no_request() -> None:
    assert feature_group_columns(CUSTOMER)[:4] == [
        ("customer_id", "String"),
        ("event_time", "String"),
        ("state", "String"),
        ("customer_count_1d", "Integral"),
    ]
    names = {name for name, _ in feature_group_columns(TERMINAL)}
    assert "terminal_risk_30d" in names
    assert (
        "amount_over_customer_mean_7d" not in names | dict(feature_group_columns(CUSTOMER)).keys()
    )


def test_a_state_reaches_back_as_far_as_the_longest_window_its_hop_delay_and_lateness() -> None:
    day = 86_400_000_000
    longest = max(
        total.age + total.window.length + total.window.hop
        for feature in FEATURES
        for total in feature.aggregations
        if total.entity == CUSTOMER
    )
    assert (
        plan_of().schedule(CUSTOMER, reports=False)[-1] == longest // timedelta(days=1) * day + day
    )


@pytest.mark.parametrize(
    ("length", "shift", "rule"),
    [
        (timedelta(0), timedelta(0), "length must be whole hops of 0:05:00, got 0:00:00"),
        (timedelta(days=12, hours=1), timedelta(0), "length must be whole hops of 1 day"),
        (timedelta(days=30), timedelta(hours=3), "shift must be whole hours and hops of 1 day"),
        (timedelta(hours=1), timedelta(minutes=5), "shift must be whole hours"),
        (timedelta(days=1), timedelta(days=-1), "shift must be whole hours"),
    ],
)
def test_windows_that_hops_do_not_divide_are_refused(
    length: timedelta, shift: timedelta, rule: str
) -> None:
    with pytest.raises(ValueError, match=rule):
        Window(length, shift)


@pytest.mark.parametrize(
    ("length", "hop"),
    [
        (timedelta(hours=11), timedelta(minutes=5)),
        (timedelta(hours=12), timedelta(hours=1)),
        (timedelta(days=11), timedelta(hours=1)),
        (timedelta(days=12), timedelta(days=1)),
    ],
)
def test_longer_windows_hop_further(length: timedelta, hop: timedelta) -> None:
    assert Window(length).hop == hop


def test_a_feature_knows_its_owner_and_how_long_it_warms_up() -> None:
    assert feature("amount_minor").owner == CUSTOMER
    assert feature("terminal_risk_7d").owner == TERMINAL
    assert feature("amount_over_customer_mean_30d").warm_up == timedelta(days=30)
    assert feature("terminal_count_30d").warm_up == timedelta(days=37)
    assert feature("is_night").warm_up == timedelta()
    assert [f.name for f in FEATURES if f.follows_calendar] == [
        "is_weekend",
        "is_night",
        "customer_since_last",
    ]
