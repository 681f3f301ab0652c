"""The world that does not change from day to day: customers, terminals, and who meets whom.

Every random number comes from a stream named by (seed, purpose, day), never from a stream that
another day has used: so a period can be simulated in any number of pieces.
"""

from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

__all__ = ["Purpose", "SimulationConfig", "World", "build_world", "random_stream"]

SIDE = 100.0  # the customers and terminals lie in a square of this side
REACH = 5.0  # how far customers go, where terminals are dense enough
TERMINALS_IN_REACH = 10  # and how many they shall find, where they are not
# Two transactions a day each: five standard deviations below the ids of one day.
MOST_CUSTOMERS = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationConfig:
    """What to simulate; the same values give the same bytes.

    The world depends on `customers`, `terminals` and `seed` alone, and a day on the world and its
    date: a later period of the same three values continues an earlier one.

    Args:
        large_amount_share: Part of the transactions that are frauds of a large amount.
        compromised_terminal_share: Part of the terminals that is compromised at any time.
        leaked_card_share: Part of the customers whose card is leaked at any time.
        drift_start: From this day on people behave differently. If None, they never do.
        drift_factor: What amounts are multiplied by then; above 1 some transactions also move into
            the night, the more the larger it is. 1 changes nothing.
    """

    start: date
    days: int
    customers: int = 5000
    terminals: int = 10_000
    seed: int = 0
    large_amount_share: float = 0.006
    compromised_terminal_share: float = 0.008
    leaked_card_share: float = 0.012
    drift_start: date | None = None
    drift_factor: float = 2.0

    def __post_init__(self) -> None:
        for name in ("days", "customers", "terminals"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.customers > MOST_CUSTOMERS:
            raise ValueError(f"customers must be at most {MOST_CUSTOMERS}, got {self.customers}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")
        for name in ("large_amount_share", "compromised_terminal_share", "leaked_card_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, got {getattr(self, name)}")
        if not 0 < self.drift_factor < float("inf"):
            raise ValueError(f"drift_factor must be above 0, got {self.drift_factor}")


class Purpose(IntEnum):
    """Names the streams of random numbers; the values are part of every simulation's bytes."""

    WORLD = 0
    TRANSACTIONS = 1
    COMPROMISED_TERMINALS = 2
    LEAKED_CARDS = 3
    LEAKED_CARD_USE = 4
    DRIFT = 5
    LARGE_AMOUNTS = 6


def random_stream(config: SimulationConfig, purpose: Purpose, day: int = 0) -> np.random.Generator:
    """The random numbers of one purpose on one day (days since 1970, which may be negative)."""
    # SeedSequence takes no negative entropy.
    entropy = [config.seed, purpose, abs(day), int(day < 0)]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


@dataclass(frozen=True, slots=True)
class World:
    """Customers' habits, and each customer's terminals in compressed rows.

    Customer c goes to `reachable[first_reachable[c] : first_reachable[c + 1]]`.
    """

    amount_mean: npt.NDArray[np.float64]
    amount_deviation: npt.NDArray[np.float64]
    transactions_per_day: npt.NDArray[np.float64]
    first_reachable: npt.NDArray[np.int64]
    reachable: npt.NDArray[np.int64] = field(repr=False)


def build_world(config: SimulationConfig) -> World:
    """The world of a seed and its two sizes."""
    random = random_stream(config, Purpose.WORLD)
    homes = random.uniform(0, SIDE, (config.customers, 2))
    places = random.uniform(0, SIDE, (config.terminals, 2))
    amount_mean = random.uniform(5, 100, config.customers)
    first_reachable, reachable = _reachable_terminals(homes, places)
    return World(
        amount_mean=amount_mean,
        amount_deviation=amount_mean / 2,
        transactions_per_day=random.uniform(0, 4, config.customers),
        first_reachable=first_reachable,
        reachable=reachable,
    )


def _reachable_terminals(
    homes: npt.NDArray[np.float64], places: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    tree = KDTree(places)
    # In a sparse world the reach grows until a circle holds enough terminals on average.
    enough = SIDE * np.sqrt(TERMINALS_IN_REACH / (np.pi * len(places)))
    within = tree.query_ball_point(homes, max(REACH, enough), return_sorted=True)
    nearest = tree.query(homes)[1]
    # Whoever finds none goes to the nearest, however far.
    rows = [found if found else [only] for found, only in zip(within, nearest, strict=True)]
    first = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return first, np.concatenate(rows).astype(np.int64)
