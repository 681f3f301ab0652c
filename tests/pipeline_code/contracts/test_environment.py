"""Settings are read from the environment as their dataclass says, or refused by name."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_code.contracts.environment import read, variable


@dataclass(frozen=True, kw_only=True)
class Pair:
    one: str = variable("FIRST_NAME")
    other: str = variable("SECOND_NAME")


@dataclass(frozen=True, kw_only=True)
class Part:
    share: float = variable("SHARE_PERCENT", default=0.5, least=0, most=100, scale=0.01)


@dataclass(frozen=True, kw_only=True)
class Settings:
    name: str
    count: int = variable(least=0)
    kinds: frozenset[str]
    pause: timedelta = variable("PAUSE_MINUTES", least=1, scale=timedelta(minutes=1))
    since: datetime = variable(default_factory=lambda: datetime(2025, 1, 1, tzinfo=UTC))
    namespace: str | None = None
    pair: Pair | None = None
    part: Part = field(default_factory=Part)


LEAST = {"NAME": "n", "COUNT": "0", "KINDS": "", "PAUSE_MINUTES": "5"}


def test_what_is_not_set_has_its_default() -> None:
    assert read(Settings, LEAST | {"NAMESPACE": "", "SINCE": "", "OTHER": "1"}) == Settings(
        name="n", count=0, kinds=frozenset(), pause=timedelta(minutes=5)
    )


def test_every_type_is_read() -> None:
    more = {
        "KINDS": "bias drift",
        "SINCE": "2025-03-01T12:30:00+01:00",
        "NAMESPACE": "n/s",
        "FIRST_NAME": "a",
        "SECOND_NAME": "b",
        "SHARE_PERCENT": "12.5",
    }
    assert read(Settings, LEAST | more) == Settings(
        name="n",
        count=0,
        kinds=frozenset({"bias", "drift"}),
        pause=timedelta(minutes=5),
        since=datetime(2025, 3, 1, 11, 30, tzinfo=UTC),
        namespace="n/s",
        pair=Pair(one="a", other="b"),
        part=Part(share=0.125),
    )


def test_a_time_that_does_not_say_is_utc() -> None:
    assert read(Settings, LEAST | {"SINCE": "2025-03-01T12:30:00"}).since.tzinfo == UTC


@given(st.integers(0, 10**12))
def test_a_number_within_its_limits_is_itself(count: int) -> None:
    assert read(Settings, LEAST | {"COUNT": str(count)}).count == count


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("NAME", "", "NAME must be set, got none; set it where"),
        ("COUNT", "", "COUNT must be a whole number from 0 on, got none; set it where"),
        ("COUNT", "-1", "COUNT must be a whole number from 0 on, got -1; set it where"),
        ("COUNT", "1.5", "COUNT must be a whole number from 0 on, got 1.5"),
        ("PAUSE_MINUTES", "0", "PAUSE_MINUTES must be a whole number from 1 on, got 0"),
        ("SHARE_PERCENT", "101", "SHARE_PERCENT must be a number between 0 and 100, got 101"),
        ("SHARE_PERCENT", "nan", "SHARE_PERCENT must be a number between 0 and 100, got nan"),
        ("SINCE", "today", "SINCE must be an ISO-8601 time, got today"),
        ("FIRST_NAME", "a", "FIRST_NAME and SECOND_NAME must be set together, got"),
    ],
)
def test_what_is_missing_or_wrong_is_named(name: str, value: str, reason: str) -> None:
    with pytest.raises(LookupError, match=reason):
        read(Settings, LEAST | {name: value}, LookupError)


def test_words_that_are_not_given_at_all_are_missing() -> None:
    with pytest.raises(ValueError, match="KINDS must be set, got none"):
        read(Settings, {name: LEAST[name] for name in LEAST if name != "KINDS"})


def test_what_is_given_is_not_read() -> None:
    assert read(Settings, LEAST | {"COUNT": "many"}, count=7).count == 7
