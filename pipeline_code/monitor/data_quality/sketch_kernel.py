"""Counts one feature's numbers into buckets, and adds up their moments; counts draws of them."""

import numpy as np
import numpy.typing as npt

from pipeline_code.common.compiled import compiled

__all__ = [
    "COUNT",
    "HIGH",
    "LOW",
    "MEAN",
    "MOMENTS",
    "SQUARES",
    "TOTAL",
    "WHOLE",
    "add_numbers",
    "count_draws",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Places = npt.NDArray[np.int16]
Flags = npt.NDArray[np.bool_]

# How many, how many of them whole, their sum, mean and sum of squared deviations, and their range.
COUNT, WHOLE, TOTAL, MEAN, SQUARES, LOW, HIGH = range(7)
MOMENTS = 7
# No double from the smallest normal single on is rounded to one farther below it, counted in bits.
SINGLE = 1 << 29
SMALLEST = 2.0**-126


@compiled("void(f8[::1], i8[::1], f8[::1], i2[::1], i8, i8, i8[::1], f8[::1])")
def add_numbers(
    numbers: Floats,
    bits: Ints,
    edges: Floats,
    cells: Places,
    shift: int,
    lowest: int,
    counts: Ints,
    moments: Floats,
) -> None:
    """Adds numbers to what is known of a feature; NaN is none.

    A number is counted as the single it rounds to, which is what the model computes with: whoever
    writes 0.1 means the same as who writes 0.10000000149.

    Args:
        numbers, bits: The numbers, and the same memory as integers.
        edges: The buckets' edges.
        cells, shift, lowest: The look-up table of the edges (`grids.Lookup`).
        counts: By bucket.
        moments: As named above.
    """
    count = whole = 0
    total = 0.0
    low, high = moments[LOW], moments[HIGH]
    for number in numbers:
        if number == number:  # noqa: PLR0124 - NaN does not equal itself
            count += 1
            total += number
            low = min(number, low)
            high = max(number, high)
            whole += number == np.floor(number)
    if count == 0:
        return
    mean = total / count
    squares = 0.0
    last, size = len(cells) - 1, len(edges)
    for place in range(len(numbers)):
        number = numbers[place]
        if number == number:  # noqa: PLR0124
            squares += (number - mean) * (number - mean)
            bucket = 0
            if number >= SMALLEST or bits[place] == 0:
                cell = ((bits[place] - SINGLE) >> shift) - lowest
                bucket = int(cells[min(max(cell, 0), last)])
            rounded = np.float64(np.float32(number))
            while bucket < size and edges[bucket] <= rounded:
                bucket += 1
            counts[bucket] += 1
    # Chan's sum of two samples' squared deviations, which subtracts nothing large.
    before = moments[COUNT]
    apart = mean - moments[MEAN]
    both = before + count
    moments[SQUARES] += squares + apart * apart * before * count / both
    moments[MEAN] += apart * count / both
    moments[COUNT] = both
    moments[WHOLE] += whole
    moments[TOTAL] += total
    moments[LOW], moments[HIGH] = low, high


@compiled("void(i2[::1], b1[:, ::1], i8[:, ::1], i8[:, ::1], i8[:, ::1], i8[:, :, ::1])")
def count_draws(
    places: Places, halves: Flags, begins: Ints, ends: Ints, expected: Ints, actual: Ints
) -> None:
    """Counts the buckets of many draws from the same records.

    Args:
        places: Each record's bucket.
        halves: By draw, which records are taken for the baseline.
        begins, ends: By draw and sample, which of the other records it takes, by their order.
        expected: Where to count the baseline's, by draw and bucket.
        actual: Where to count the samples', by draw, sample and bucket.
    """
    others = np.empty(len(places), np.int16)
    for draw in range(len(halves)):
        count = 0
        for record in range(len(places)):
            if halves[draw, record]:
                expected[draw, places[record]] += 1
            else:
                others[count] = places[record]
                count += 1
        for sample in range(begins.shape[1]):
            for place in others[begins[draw, sample] : ends[draw, sample]]:
                actual[draw, sample, place] += 1
