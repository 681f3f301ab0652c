"""The periods of a training set: history, then train, then test, a label's delay between each.

    |--- train ---|- delay -|--- test ---|- delay -| as of

Nothing later than `as_of` is known: a transaction of the test period has had the label's delay to
be reported, as has a transaction of the training period before the first test transaction.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import LABEL_DELAY
from pipeline_code.features.events import EPOCH, epoch_microseconds

__all__ = ["LATEST", "Period", "Windows", "parse_as_of"]

LATEST = "latest"
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """Event times from `start` on, before `end`."""

    start: datetime
    end: datetime

    def mask(self, transactions: pa.Table) -> npt.NDArray[np.bool_]:
        """Which transactions are in the period."""
        times = transactions["event_time"].cast(pa.int64()).to_numpy()
        inside: npt.NDArray[np.bool_] = (times >= epoch_microseconds(self.start)) & (
            times < epoch_microseconds(self.end)
        )
        return inside

    def document(self) -> dict[str, str]:
        """The period for a summary."""
        return {"start": self.start.isoformat(), "end": self.end.isoformat()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Train and test periods of whole days that end as labels become known."""

    as_of: datetime
    train_days: int
    test_days: int
    delay_days: int = LABEL_DELAY.days

    def __post_init__(self) -> None:
        for name in ("train_days", "test_days"):
            if getattr(self, name) < 1:
                raise BadInput(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.delay_days < 0:
            raise BadInput(f"delay_days must be at least 0, got {self.delay_days}")

    @property
    def test(self) -> Period:
        """The newest transactions whose reports have had time to come."""
        end = self.as_of - self.delay_days * DAY
        return Period(end - self.test_days * DAY, end)

    @property
    def train(self) -> Period:
        """The newest transactions whose labels were known when the test period began."""
        end = self.test.start - self.delay_days * DAY
        return Period(end - self.train_days * DAY, end)

    def check_history(self, first_event: datetime) -> None:
        """Raises BadInput if the training period begins before there are transactions."""
        needed = self.train_days + self.test_days + 2 * self.delay_days
        got = (self.as_of - _midnight(first_event)) / DAY
        if got < needed:
            raise BadInput(
                f"transactions must cover at least {needed} days before {self.as_of.isoformat()} "
                f"({self.train_days} to train, {self.test_days} to test, twice {self.delay_days} "
                f"for reports to arrive), got {max(got, 0):.0f}; ingest older transactions or use "
                "shorter periods"
            )


def parse_as_of(text: str, last_event: datetime) -> datetime:
    """The moment as of which to work: `latest` is the midnight after the last event.

    Raises:
        BadInput: Neither `latest` nor an ISO-8601 moment.
    """
    if text == LATEST:
        return _midnight(last_event) + DAY
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"as-of must be {LATEST} or an ISO-8601 moment, got {text!r}") from error
    return moment.replace(tzinfo=EPOCH.tzinfo) if moment.tzinfo is None else moment


def _midnight(moment: datetime) -> datetime:
    return EPOCH + (moment - EPOCH) // DAY * DAY
