"""Amounts become minor units exactly, one by one and by the column, or are refused."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline_code.common.money import LARGEST_MINOR, AmountError, to_minor, to_minor_array

minor_units = st.integers(-LARGEST_MINOR, LARGEST_MINOR)


@given(minor_units)
@example(LARGEST_MINOR)
@example(-1)
def test_every_way_to_write_an_amount_gives_its_minor_units(minor: int) -> None:
    exact = Decimal(minor) / 100
    assert to_minor(exact) == to_minor(str(exact)) == to_minor(float(exact)) == minor


@given(st.lists(minor_units, min_size=1))
def test_columns_of_floats_text_and_decimals_agree(minors: list[int]) -> None:
    exact = [Decimal(minor) / 100 for minor in minors]
    for column in (
        pa.array([float(value) for value in exact]),
        pa.array([str(value) for value in exact]),
        pa.array(exact, pa.decimal128(20, 2)),
        pa.chunked_array([[float(value)] for value in exact]),
    ):
        assert to_minor_array(column).to_pylist() == minors


@given(st.floats())
@example(85.64999999999999)
@example(1.005)
@example(0.0)
@example(1e-320)
def test_scalar_and_column_judge_a_float_alike(amount: float) -> None:
    try:
        expected = [to_minor(amount)]
    except AmountError:
        with pytest.raises(AmountError):
            to_minor_array(pa.array([amount]))
    else:
        assert to_minor_array(pa.array([amount])).to_pylist() == expected


@given(st.integers(-(10**10), 10**10), st.integers(1, 9))
def test_a_third_decimal_is_refused(cents: int, thousandths: int) -> None:
    amount = Decimal(cents) / 100 + Decimal(thousandths) / 1000
    for written in (amount, str(amount), float(amount)):
        with pytest.raises(AmountError):
            to_minor(written)


def test_the_noise_of_binary_arithmetic_is_forgiven() -> None:
    assert to_minor(17.13 * 5) == 8565
    assert 17.13 * 5 != 85.65


@pytest.mark.parametrize(
    "amount",
    ["", "ten", "1_000", "1e999999", "nan", "inf", "-Infinity", None, True, b"1", [1], 10**13],
)
def test_what_is_no_amount_is_refused_and_named(amount: object) -> None:
    with pytest.raises(AmountError, match="at most two decimals") as refusal:
        to_minor(amount)  # type: ignore[arg-type]
    assert repr(amount) in str(refusal.value)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1.0, 2.5, 1.005, 0.001]),
        pa.array(["1", "2.50", "2.505"]),
        pa.array([1.0, 2.0, None]),
        pa.array(["1", "2", None]),
        pa.array([1, 2, 10**13]),
        pa.array([1, 2, None]),
        pa.array([1.0, 2.0, np.inf]),
    ],
)
def test_a_column_names_the_first_row_that_is_no_amount(column: pa.Array) -> None:
    with pytest.raises(AmountError) as refusal:
        to_minor_array(column)
    assert refusal.value.row == 2


def test_integers_are_currency_units() -> None:
    assert to_minor(3) == 300
    assert to_minor_array(pa.array([3, -4], pa.int32())).to_pylist() == [300, -400]
