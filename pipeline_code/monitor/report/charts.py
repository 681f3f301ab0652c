"""The parts of the monitoring report: tables with bars, histograms and curves, as figures.

`report.html.j2` draws them; here is where each point lies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

__all__ = ["BEYOND", "NOW", "THEN", "Bar", "Curve", "Curves", "Histogram", "Row", "Section"]

# By class: what was captured, what the baseline has, what is beyond its limit.
NOW, THEN, BEYOND = "now", "then", "beyond"


@dataclass(frozen=True, slots=True)
class Bar:
    """A horizontal bar, and a mark where the limit is; both as shares of the width."""

    share: float
    kind: str
    limit: float


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table; if it is marked, its first cell stands out."""

    cells: Sequence[object]
    marked: bool = False
    bar: Bar | None = None


@dataclass(frozen=True, slots=True)
class Histogram:
    """The shares of the baseline's and the captured records in each bucket, beside each other."""

    title: str
    bounds: tuple[float, float]
    then: Sequence[float]
    now: Sequence[float]
    kind: str

    width: ClassVar = 200
    height: ClassVar = 80
    base: ClassVar = 68

    def bars(self, shares: Sequence[float], offset: float) -> str:
        """The path of a bar a share; each begins so much of a bucket's width after its bucket."""
        largest = max(*self.then, *self.now, 1e-9)
        step, tall = self.width / max(len(self.now), 1), self.base - 4
        return "".join(
            f"M{(index + offset) * step:.1f} {self.base}v{-tall * share / largest:.1f}"
            f"h{0.42 * step:.1f}V{self.base}z"
            for index, share in enumerate(shares)
            if share > 0
        )


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of a plot whose axes both go from 0 to 1."""

    kind: str
    points: Sequence[tuple[float, float]]
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Curves:
    """A square plot; ticks, at the same positions of both axes, are positions and their names."""

    title: str
    across: str
    up: str
    drawn: Sequence[Curve]
    ticks: Sequence[tuple[float, str]]

    side: ClassVar = 240
    edge: ClassVar = 28
    inside: ClassVar = side - edge - 6

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the plot lies in the picture."""
        return round(self.edge + x * self.inside, 1), round(6 + (1 - y) * self.inside, 1)


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of the report, of what it has of these.

    Attributes:
        columns: The table's titles; the one that `rows` have no cell for is that of their bars.
        texts: Whether the columns are to be read, and not to be compared as figures are.
    """

    title: str
    text: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Row] = ()
    texts: bool = False
    histograms: Sequence[Histogram] = ()
    curves: Sequence[Curves] = ()
