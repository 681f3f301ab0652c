"""Money as integers of minor units (cents), exactly or not at all.

An amount with more than two decimals is refused rather than rounded: whoever sent it counts in
another unit than we do. Only the noise of binary floats is forgiven (17.13 * 5 is
85.64999999999999, and means 85.65).
"""

import math
from decimal import Decimal, InvalidOperation

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "CURRENCY",
    "LARGEST_MINOR",
    "AmountError",
    "floats_to_minor",
    "to_minor",
    "to_minor_array",
]

# The one currency of the lake (ISO 4217): amounts of several would not add up.
CURRENCY = "EUR"
MINOR_PER_UNIT = 100
# A trillion currency units. Floats up to here, noise included, are far from every other cent.
LARGEST_MINOR = 10**14 - 1
LARGEST_EXPONENT = 12
CENT = Decimal("0.01")
NOISE_IN_ULPS = 4

_RULE = f"a number with at most two decimals and at most {LARGEST_MINOR} cents"


class AmountError(ValueError):
    """A value that is not an amount; `row` is its 0-based index in the array, if it was in one."""

    def __init__(self, value: object, row: int | None = None) -> None:
        super().__init__(f"amount must be {_RULE}, got {value!r}")
        self.value = value
        self.row = row


def to_minor(amount: Decimal | str | float | int) -> int:
    """Minor units of an amount in currency units.

    to_minor("12.30")  # 1230
    to_minor(12.3)     # 1230

    Raises:
        AmountError: It is no finite number, has a third decimal or is too large.
    """
    if isinstance(amount, float):
        return _float_to_minor(amount)
    if isinstance(amount, bool) or (isinstance(amount, str) and "_" in amount):
        raise AmountError(amount)
    try:
        exact = Decimal(amount)
        # Before any arithmetic: "1e999999" would be a million digits.
        if not exact.is_finite() or exact.adjusted() > LARGEST_EXPONENT:
            raise AmountError(amount)
        cents = exact.quantize(CENT)
    except (InvalidOperation, TypeError, ValueError):
        raise AmountError(amount) from None
    minor = int(cents * MINOR_PER_UNIT)
    if cents != exact or abs(minor) > LARGEST_MINOR:
        raise AmountError(amount)
    return minor


def to_minor_array(amounts: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Minor units of a column of amounts: the same answers as `to_minor`, row by row.

    Raises:
        AmountError: For the first row that is no amount; nulls are none.
    """
    if isinstance(amounts, pa.ChunkedArray):
        amounts = amounts.combine_chunks()
    if not (pa.types.is_floating(amounts.type) or pa.types.is_integer(amounts.type)):
        values = [_in_row(value, row) for row, value in enumerate(amounts.to_pylist())]
        return pa.array(values, pa.int64())
    _refuse(amounts, pc.is_null(amounts).to_numpy(zero_copy_only=False))
    units = amounts.to_numpy(zero_copy_only=False)
    if pa.types.is_integer(amounts.type):
        limit = LARGEST_MINOR // MINOR_PER_UNIT
        _refuse(amounts, (units > limit) | (units < -limit))
        return pa.array(units.astype(np.int64) * MINOR_PER_UNIT)
    minor, refused = floats_to_minor(units)
    _refuse(amounts, refused)
    return pa.array(minor)


def floats_to_minor(
    units: npt.NDArray[np.floating],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Minor units of amounts, and which are none; where one is none, its minor units are 0."""
    units = units.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        minor = np.rint(units * MINOR_PER_UNIT)
        noise = np.abs(units - minor / MINOR_PER_UNIT) / np.spacing(np.abs(units))
        refused = ~((noise <= NOISE_IN_ULPS) & (np.abs(minor) <= LARGEST_MINOR))
    return np.where(refused, 0, minor).astype(np.int64), refused


def _float_to_minor(amount: float) -> int:
    if not abs(amount) <= LARGEST_MINOR / MINOR_PER_UNIT:
        raise AmountError(amount)
    minor = round(amount * MINOR_PER_UNIT)
    if abs(amount - minor / MINOR_PER_UNIT) / math.ulp(amount) > NOISE_IN_ULPS:
        raise AmountError(amount)
    return minor


def _in_row(value: object, row: int) -> int:
    try:
        return to_minor(value)  # type: ignore[arg-type]
    except AmountError as error:
        raise AmountError(error.value, row) from None


def _refuse(amounts: pa.Array, broken: npt.NDArray[np.bool_]) -> None:
    if broken.any():
        row = int(broken.argmax())
        raise AmountError(amounts[row].as_py(), row)
