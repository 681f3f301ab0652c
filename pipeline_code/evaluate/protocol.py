"""The published protocol: train on some days, skip those without labels yet, test on the next.

Removed from the test rows are the cards already known to be compromised, since a bank blocks those:
cards with a fraud in the training period and, for each test day, cards with a fraud whose label had
come before that day began. A label comes `delay_days` after its transaction, so that is a fraud at
least `delay_days + 1` calendar days back.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import LABEL_DELAY
from pipeline_code.train.rows import FeatureRows

MICROSECONDS_PER_DAY = 86_400_000_000

Days = npt.NDArray[np.int64]
Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """One training period, the delay after it and the test period after that; whole days, UTC.

    Fold(train_start=date(2018, 7, 25)).test_start  # date(2018, 8, 8)
    """

    train_start: date
    train_days: int = 7
    delay_days: int = 7
    test_days: int = 7

    def __post_init__(self) -> None:
        for name, least in (("train_days", 1), ("delay_days", 0), ("test_days", 1)):
            value = getattr(self, name)
            if value < least:
                raise BadInput(f"{name} must be at least {least}, got {value}")

    @property
    def test_start(self) -> date:
        """The first test day."""
        return self.train_start + timedelta(days=self.train_days + self.delay_days)

    @property
    def test_end(self) -> date:
        """The day after the last test day."""
        return self.test_start + timedelta(days=self.test_days)

    def is_training(self, days: Days) -> Mask:
        """Which rows are trained on, by their event days."""
        first = epoch_day(self.train_start)
        return (days >= first) & (days < first + self.train_days)

    def is_testing(self, days: Days) -> Mask:
        """Which rows lie in the test period, cards known to be compromised included."""
        return (days >= epoch_day(self.test_start)) & (days < epoch_day(self.test_end))


def folds_back(
    train_start: date, *, folds: int, train_days: int, delay_days: int, test_days: int
) -> list[Fold]:
    """The fold that starts training on the given day, and those that start one week earlier each.

    folds_back(date(2018, 8, 15), folds=4, train_days=7, delay_days=7, test_days=7)[3].train_start
    # date(2018, 7, 25)
    """
    if folds < 1:
        raise BadInput(f"folds must be at least 1, got {folds}")
    return [
        Fold(
            train_start=train_start - timedelta(weeks=back),
            train_days=train_days,
            delay_days=delay_days,
            test_days=test_days,
        )
        for back in range(folds)
    ]


def known_compromised(
    days: Days,
    customers: Ids,
    *,
    fraud_days: Days,
    fraud_customers: Ids,
    since: date,
    delay_days: int,
) -> Mask:
    """Which rows belong to a card already known, as their day begins, to be compromised.

    Args:
        days: Event day of each row.
        customers: Customer of each row.
        fraud_days: Event day of each fraud, whenever it was.
        fraud_customers: Customer of each fraud.
        since: First day of the training period; what happened before is forgotten, as a new card is
            issued.
        delay_days: Days until a fraud's label is known.
    """
    recent = fraud_days >= epoch_day(since)
    cards, card_of_fraud = np.unique(fraud_customers[recent], return_inverse=True)
    if len(cards) == 0:
        return np.zeros(len(days), dtype=np.bool_)
    first_fraud = np.full(len(cards), np.iinfo(np.int64).max)
    np.minimum.at(first_fraud, card_of_fraud, fraud_days[recent])
    index = np.minimum(np.searchsorted(cards, customers), len(cards) - 1)
    known: Mask = (cards[index] == customers) & (first_fraud[index] + delay_days < days)
    return known


def compromised(rows: FeatureRows, reports: pa.Table, *, since: date) -> Mask:
    """Which feature rows belong to a card known to be compromised, by the lake's fraud reports.

    Args:
        rows: The test rows.
        reports: The lake's fraud reports.
        since: First day of the training period.
    """
    delay = LABEL_DELAY.days
    reported = _days(reports, "report_time")
    return known_compromised(
        rows.days(),
        rows.customers(),
        # A report that came later than the usual delay is also known later.
        fraud_days=np.maximum(_days(reports, "event_time"), reported - delay),
        fraud_customers=reports["customer_id"].to_numpy(),
        since=since,
        delay_days=delay,
    )


def _days(table: pa.Table, column: str) -> Days:
    microseconds: Days = table[column].cast(pa.int64()).to_numpy()
    return microseconds // MICROSECONDS_PER_DAY


def epoch_day(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - date(1970, 1, 1)).days
