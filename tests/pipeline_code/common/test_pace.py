"""Calls at a pace, by a clock that only waiting moves."""

from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_code.common.pace import Pace


class Clock:
    """A clock of one thread's, which sleeps on it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


RATES = st.floats(0.1, 1000)
BURSTS = st.floats(1, 50)
PAUSES = st.lists(st.floats(0, 5) | st.just(0.0), min_size=2, max_size=60)


@given(RATES, BURSTS, PAUSES)
def test_no_time_has_more_calls_than_its_share_and_a_burst(
    rate: float, burst: float, pauses: list[float]
) -> None:
    clock = Clock()
    pace = Pace(rate, burst=burst, clock=clock, sleep=clock.sleep)
    calls = []
    for pause in pauses:
        clock.now += pause
        pace.wait()
        calls.append(clock.now)
    for (first, start), (last, end) in combinations(enumerate(calls), 2):
        assert last - first + 1 <= rate * (end - start) + burst + 1e-6


@given(RATES, BURSTS, PAUSES)
def test_who_keeps_the_pace_never_waits(rate: float, burst: float, pauses: list[float]) -> None:
    clock = Clock()
    pace = Pace(rate, burst=burst, clock=clock, sleep=clock.sleep)
    for due in accumulate(pause + 1 / rate * (1 + 1e-9) for pause in pauses):
        clock.now = due
        pace.wait()
        assert clock.now == due


@given(RATES, st.integers(1, 40))
def test_who_asks_without_end_gets_all_of_the_share(rate: float, burst: int) -> None:
    clock = Clock()
    pace = Pace(rate, burst=burst, clock=clock, sleep=clock.sleep)
    count = 100
    for _ in range(count):
        pace.wait()
    assert clock.now == pytest.approx(max(count - burst, 0) / rate)


def test_threads_share_one_pace() -> None:
    waited: list[float] = []
    pace = Pace(10, clock=lambda: 0.0, sleep=waited.append)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(50):
            pool.submit(pace.wait)
    assert sorted(waited) == pytest.approx([0.1 * turn for turn in range(1, 50)])
