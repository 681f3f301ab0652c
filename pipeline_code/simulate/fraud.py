"""The simulated frauds: who is defrauded on which day, and by which transactions.

Three scenarios: a thief tries a large amount, over 220, which nobody else spends; a compromised
terminal's transactions are all frauds for 28 days; a third of the transactions with a leaked card
are frauds of five times the amount, for 14 days.
"""

import math

import numpy as np
import numpy.typing as npt

from pipeline_code.simulate.world import Purpose, SimulationConfig, random_stream

__all__ = [
    "AMOUNT_OVER_THRESHOLD",
    "COMPROMISED_TERMINAL",
    "LEAKED_CARD",
    "commit_frauds",
    "compromised_terminals",
    "leaked_cards",
]

AMOUNT_OVER_THRESHOLD = 1
COMPROMISED_TERMINAL = 2
LEAKED_CARD = 3

THRESHOLD_MINOR = 220_00
LARGE_AMOUNTS_MINOR = (THRESHOLD_MINOR + 1, 500_00)
COMPROMISED_DAYS = 28
LEAKED_DAYS = 14
LEAKED_USE_SHARE = 1 / 3
LEAKED_AMOUNT_FACTOR = 5


def compromised_terminals(config: SimulationConfig, day: int) -> npt.NDArray[np.int64]:
    """The terminals that are compromised on this day."""
    return _affected(
        config,
        purpose=Purpose.COMPROMISED_TERMINALS,
        day=day,
        population=config.terminals,
        share=config.compromised_terminal_share,
        lasting=COMPROMISED_DAYS,
    )


def leaked_cards(config: SimulationConfig, day: int) -> npt.NDArray[np.int64]:
    """The customers whose card is leaked on this day."""
    return _affected(
        config,
        purpose=Purpose.LEAKED_CARDS,
        day=day,
        population=config.customers,
        share=config.leaked_card_share,
        lasting=LEAKED_DAYS,
    )


def commit_frauds(
    config: SimulationConfig,
    day: int,
    *,
    customers: npt.NDArray[np.int64],
    terminals: npt.NDArray[np.int64],
    amounts: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int8]]:
    """One day's amounts with the frauds in them, and each transaction's scenario (0 for none)."""
    scenario = np.zeros(len(amounts), np.int8)
    amounts = np.minimum(amounts, THRESHOLD_MINOR)
    random = random_stream(config, Purpose.LARGE_AMOUNTS, day)
    large = random.random(len(amounts)) < config.large_amount_share
    amounts = np.where(large, random.integers(*LARGE_AMOUNTS_MINOR, len(amounts)), amounts)
    scenario[large] = AMOUNT_OVER_THRESHOLD
    scenario[np.isin(terminals, compromised_terminals(config, day))] = COMPROMISED_TERMINAL
    random = random_stream(config, Purpose.LEAKED_CARD_USE, day)
    used = random.random(len(amounts)) < LEAKED_USE_SHARE
    stolen = used & np.isin(customers, leaked_cards(config, day))
    scenario[stolen] = LEAKED_CARD
    return np.where(stolen, amounts * LEAKED_AMOUNT_FACTOR, amounts), scenario


def _affected(
    config: SimulationConfig,
    *,
    purpose: Purpose,
    day: int,
    population: int,
    share: float,
    lasting: int,
) -> npt.NDArray[np.int64]:
    """Members hit within the last `lasting` days, so that `share` of them are at any time.

    New ones come at an even pace instead of by chance: a small world would else have weeks without
    any fraud, and nothing could be learned from or tested in them.
    """
    pace = population * share / lasting
    hit = [
        random_stream(config, purpose, start).integers(
            0, population, math.floor((start + 1) * pace) - math.floor(start * pace)
        )
        for start in range(day - lasting + 1, day + 1)
    ]
    return np.unique(np.concatenate(hit))
