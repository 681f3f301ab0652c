"""What follows from the declarations: order, columns, horizons, windows."""

from datetime import timedelta

import pytest

from pipeline_code.features.definitions import (
    CUSTOMER,
    FEATURE_NAMES,
    FEATURES,
    TERMINAL,
    Window,
    feature_group_columns,
    horizon,
)


def feature(name: str):  # type: ignore[no-untyped-def]
    return next(feature for feature in FEATURES if feature.name == name)


def test_names_are_unique_and_their_order_is_pinned() -> None:
    """Models and CSV rows are read by place: an order may grow, never change."""
    assert FEATURE_NAMES == (
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


def test_the_horizon_covers_the_longest_window_its_hop_delay_and_lateness() -> None:
    assert horizon(CUSTOMER) == timedelta(days=30 + 1 + 1)
    assert horizon(TERMINAL) == timedelta(days=30 + 1 + 7 + 1)


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
    assert [f.name for f in FEATURES if f.follows_calendar] == ["is_weekend", "is_night"]
