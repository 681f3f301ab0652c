"""The figures of bias: Clarify's post-training measures, segment by segment.

https://docs.aws.amazon.com/sagemaker/latest/dg/clarify-measure-post-training-bias.html

Each compares a segment with the rest of its kind, and is the rest's rate less the segment's own:
which part of the frauds is caught (equal opportunity), which part of all transactions is flagged,
and which part of the flagged ones are frauds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from pipeline_code.monitor.bias.segment_counts import FACETS, Cells, Facet, Sums
from pipeline_code.quality.bootstrap import CONFIDENCE, Interval

__all__ = ["DESCRIPTIONS", "FLAGGED", "MINIMUM", "RECALL", "Figure", "Figures", "figures_of"]

Floats = npt.NDArray[np.float64]

RECALL, FLAGGED, PRECISION = "RD", "DPPL", "DAR"
DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {
        RECALL: "Recall difference (RD)",
        FLAGGED: "Difference in positive proportions in predicted labels (DPPL)",
        PRECISION: "Difference in acceptance rates (DAR)",
    }
)

# Of fewer frauds, or of fewer flagged ones, a rate says next to nothing.
MINIMUM = 20
DEVIATIONS = float(norm.ppf((1 + CONFIDENCE) / 2))


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure of a segment, and where it lies with the stated confidence."""

    value: float
    interval: Interval


Figures = Mapping[tuple[Facet, str], Figure]


def figures_of(cells: Cells, minimum: int = MINIMUM) -> Figures:
    """The measures of all segments that there is enough of to tell.

    Args:
        cells: The predictions.
        minimum: Frauds that both sides must have for RD, flagged transactions for DAR; and for
            DPPL, flagged transactions that they would have if all were flagged alike.
    """
    found: dict[tuple[Facet, str], Figure] = {}
    for facet in FACETS:
        segment, rest = cells.sums(facet)
        for name, rate in _RATES.items():
            enough = _enough(name, segment, rest) >= minimum
            if enough:
                found[facet, name] = _difference(rate(rest), rate(segment))
    return found


def _enough(name: str, segment: Sums, rest: Sums) -> float:
    if name == RECALL:
        return float(min(segment.frauds[0], rest.frauds[0]))
    if name == PRECISION:
        return float(min(segment.flagged[0], rest.flagged[0]))
    rows = segment.rows[0] + rest.rows[0]
    share = (segment.flagged[0] + rest.flagged[0]) / rows if rows else 0.0
    return float(share * min(segment.rows[0], rest.rows[0]))


# What is counted, and out of what.
_RATES: Mapping[str, Callable[[Sums], tuple[Floats, Floats]]] = MappingProxyType(
    {
        RECALL: lambda sums: (sums.caught, sums.frauds),
        FLAGGED: lambda sums: (sums.flagged, sums.rows),
        PRECISION: lambda sums: (sums.caught, sums.flagged),
    }
)


def _difference(rest: tuple[Floats, Floats], segment: tuple[Floats, Floats]) -> Figure:
    with np.errstate(divide="ignore", invalid="ignore"):
        differences = rest[0] / rest[1] - segment[0] / segment[1]
    value, drawn = float(differences[0]), differences[1:]
    drawn = drawn[~np.isnan(drawn)]
    by_cards = float(drawn.var()) if len(drawn) else 0.0
    # If all frauds of a segment are missed, so they are in every resample, however few there are.
    alone = _variance(*rest) + _variance(*segment)
    width = DEVIATIONS * float(np.sqrt(max(by_cards, alone)))
    return Figure(value, Interval(value - width, value + width))


def _variance(counted: Floats, total: Floats) -> float:
    """Of a rate of independent events, with one more of each kind (Agresti and Caffo)."""
    rate = (counted[0] + 1) / (total[0] + 2)
    return float(rate * (1 - rate) / (total[0] + 2))
