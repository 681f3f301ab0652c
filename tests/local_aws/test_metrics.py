"""How values of metrics are kept: few points that say the same."""

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from local_aws.adapter.metrics import binned, compacted

VALUES = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 3))
NOW = 1_800_000_000.0


def statistics(pairs: list[tuple[float, float]]) -> tuple[float, float, float, float]:
    counts = math.fsum(count for _, count in pairs)
    total = math.fsum(value * count for value, count in pairs)
    return counts, total, min(v for v, _ in pairs), max(v for v, _ in pairs)


def same(one: list[tuple[float, float]], other: list[tuple[float, float]]) -> None:
    """Count, minimum and maximum are exact; the sum is, but for the last digits."""
    before, after = statistics(one), statistics(other)
    assert (before[0], *before[2:]) == (after[0], *after[2:])
    size = math.fsum(abs(value) * count for value, count in one)
    assert abs(before[1] - after[1]) <= 1e-12 * size


@given(st.lists(st.tuples(VALUES, st.integers(1, 9).map(float)), min_size=1, max_size=200))
def test_bins_keep_statistics_and_place_each_value_within_a_percent(
    pairs: list[tuple[float, float]],
) -> None:
    found = list(binned(pairs))
    same(pairs, found)
    ordered = sorted(value for value, count in pairs for _ in range(int(count)))
    kept = sorted(value for value, count in found for _ in range(round(count)))
    assert len(ordered) == len(kept)
    assert all(
        abs(a - b) <= 0.011 * max(abs(a), abs(b)) for a, b in zip(ordered, kept, strict=True)
    )


def test_thousands_of_latencies_are_few_points() -> None:
    values = [(1000.0 + 37.0 * (number % 997), 1.0) for number in range(20_000)]
    assert len(list(binned(values))) < 400


@given(
    st.lists(
        st.tuples(st.floats(0, 7200), VALUES, st.sampled_from(["Count", "None"])),
        min_size=1,
        max_size=200,
    )
)
def test_older_points_are_put_together_and_the_newest_stay(
    found: list[tuple[float, float, str]],
) -> None:
    points: list[dict[str, Any]] = [
        {"Timestamp": NOW - age, "Value": value, "Unit": unit, "Dimensions": {}}
        for age, value, unit in found
    ]
    after = compacted(points, NOW)
    same([(p["Value"], 1.0) for p in points], [(p["Value"], p.get("Count", 1.0)) for p in after])
    recent = [point for point in points if NOW - point["Timestamp"] <= 120]
    assert all(point in after for point in recent)
    times = [point["Timestamp"] for point in after]
    assert times == sorted(times)
    for point in after:
        age = NOW - point["Timestamp"]
        assert age <= 120 or point["Timestamp"] % 10 == 0
        assert age <= 3660 or point["Timestamp"] % 60 == 0


def test_statistic_sets_stay() -> None:
    old = {"Timestamp": NOW - 9000, "Value": 1.0, "Unit": "None", "_stat": {"Sum": 3.0}}
    assert compacted([old], NOW) == [old]
