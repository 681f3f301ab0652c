"""How often AWS is asked while something is waited for."""

import itertools

import pytest

from operations import waiting
from operations.waiting import looks


class Clock:
    """A time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(waiting, "time", made)
    return made


def test_a_short_wait_is_looked_at_often_and_a_long_one_every_ten_seconds(clock: Clock) -> None:
    turns = sum(1 for _ in looks(4 * 3600))
    assert clock.now == pytest.approx(1000 + 4 * 3600)
    assert clock.pauses[0] == 0.1
    assert max(clock.pauses) == 10.0
    assert all(one <= other for one, other in itertools.pairwise(clock.pauses[:-1]))
    assert turns == len(clock.pauses) + 1 < 4 * 3600 / 10 + 120


@pytest.mark.parametrize("seconds", [0.6, 20.0, 300.0, 5000.0])
def test_nobody_waits_a_twentieth_longer_than_it_takes(clock: Clock, seconds: float) -> None:
    for _ in looks():
        if clock.now - 1000 >= seconds:
            break
    assert clock.now - 1000 - seconds <= max(0.1, seconds / 20)


def test_one_look_is_certain_and_one_is_at_the_end(clock: Clock) -> None:
    assert len(list(looks(0))) == 1
    assert len(list(looks(0.07))) == 2
    assert clock.now == pytest.approx(1000.07)
