"""Pictures of the monitoring report, made of text: they take their colours from the page.

Bars are elements of the page itself, so that the names beside them stay readable on a phone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

__all__ = [
    "BEYOND",
    "NOW",
    "STYLE",
    "THEN",
    "Curve",
    "Markup",
    "bar",
    "curves",
    "histogram",
    "legend",
    "marked_table",
]

# By class: what was captured, what the baseline has, what is beyond its limit.
NOW, THEN, BEYOND = "now", "then", "beyond"
STYLE = """
.now { fill: var(--blue); stroke: var(--blue); --tone: var(--blue); }
.then { fill: var(--grey); stroke: var(--grey); --tone: var(--grey); }
.beyond { fill: var(--bad); stroke: var(--bad); --tone: var(--bad); }
td.beyond { color: var(--bad); font-weight: 600; }
.track { position: relative; width: 160px; height: 12px; background: var(--rule); }
.track i { position: absolute; inset: 0 auto 0 0; background: var(--tone); }
.track b { position: absolute; top: -3px; bottom: -3px; width: 2px; background: var(--ink); }
.key::before { content: ""; display: inline-block; width: 10px; height: 10px; margin-right: 5px;
  background: var(--tone); }
.key { margin-right: 16px; }
.small { display: grid; gap: 14px 20px;
  grid-template-columns: repeat(auto-fill, minmax(170px, 1fr)); }
.small figcaption { font-size: 12px; overflow-wrap: anywhere; }
figcaption.beyond { color: var(--bad); }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--faint); stroke: none; font-size: 9px; }
svg .axis { stroke: var(--line); fill: none; }
svg polyline { fill: none; stroke-width: 1.6; }
svg .dotted { stroke-dasharray: 3 3; }
"""
WIDTH, HEIGHT, BASE = 200.0, 80.0, 68.0
SIDE, EDGE = 240.0, 28.0


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of a plot whose axes both go from 0 to 1."""

    kind: str
    points: Sequence[tuple[float, float]]
    marked: bool = False


def marked_table(columns: Sequence[str], rows: Iterable[tuple[Sequence[object], bool]]) -> str:
    """A table of texts and markup; the first cell of a row that is marked stands out."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "\n".join(f"<tr>{_cells(cells, marked)}</tr>" for cells, marked in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _cells(cells: Sequence[object], marked: bool) -> str:
    first, *others = (c if isinstance(c, Markup) else escape(str(c)) for c in cells)
    opening = f'<td class="{BEYOND}">' if marked else "<td>"
    return f"{opening}{first}</td>" + "".join(f"<td>{cell}</td>" for cell in others)


def bar(share: float, *, kind: str, limit: float | None = None) -> Markup:
    """A horizontal bar, and a mark where the limit is; both as shares of the width."""
    mark = "" if limit is None else f'<b style="left:{_percent(limit)}"></b>'
    return Markup(f'<div class="track {kind}"><i style="width:{_percent(share)}"></i>{mark}</div>')


def _percent(share: float) -> str:
    return f"{100 * min(max(share, 0.0), 1.0):.1f}%"


def legend(*named: tuple[str, str]) -> str:
    """What the colours mean: pairs of a class and its name."""
    keys = "".join(f'<span class="key {kind}">{escape(name)}</span>' for kind, name in named)
    return f"<p>{keys}</p>"


def histogram(
    title: str,
    bounds: tuple[float, float],
    then: Sequence[float],
    now: Sequence[float],
    *,
    kind: str,
) -> str:
    """The shares of the baseline's and the captured records in each bucket, beside each other."""
    largest = max(*then, *now, 1e-9)
    low, high = bounds
    step = WIDTH / max(len(now), 1)
    texts = (
        f'<text x="0" y="{HEIGHT - 2:g}">{escape(f"{low:.4g}")}</text>'
        f'<text x="{WIDTH:g}" y="{HEIGHT - 2:g}" text-anchor="end">{escape(f"{high:.4g}")}</text>'
    )
    drawn = (
        f'<path class="{THEN}" d="{_bars(then, largest, step, 0.08)}"/>'
        f'<path class="{kind}" d="{_bars(now, largest, step, 0.5)}"/>'
        f'<path class="axis" d="M0 {BASE:g}H{WIDTH:g}"/>'
    )
    label = f"{title}: shares by bucket, baseline {_told(then)}; captured {_told(now)}"
    caption = f' class="{BEYOND}"' if kind == BEYOND else ""
    return (
        f"<figure><figcaption{caption}>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{escape(label)}">'
        f"{drawn}{texts}</svg></figure>"
    )


def _bars(shares: Sequence[float], largest: float, step: float, offset: float) -> str:
    tall = BASE - 4
    return "".join(
        f"M{(place + offset) * step:.1f} {BASE:g}v{-tall * share / largest:.1f}"
        f"h{0.42 * step:.1f}V{BASE:g}z"
        for place, share in enumerate(shares)
        if share > 0
    )


def _told(shares: Sequence[float]) -> str:
    return " ".join(f"{share:.1%}" for share in shares)


def curves(
    title: str,
    axes: tuple[str, str],
    drawn: Iterable[Curve],
    *,
    ticks: Sequence[tuple[float, str]],
    diagonal: bool = False,
) -> str:
    """A square plot; ticks, at the same places of both axes, are positions and their names."""
    inside = SIDE - EDGE - 6
    across, up = axes
    parts = [f'<rect class="axis" x="{EDGE}" y="6" width="{inside}" height="{inside}"/>']
    for place, name in ticks:
        x, y = _at(place, place)
        parts.append(f'<text x="{x}" y="{SIDE - EDGE + 11}" text-anchor="middle">{name}</text>')
        parts.append(f'<text x="{EDGE - 3}" y="{y + 3}" text-anchor="end">{name}</text>')
    if diagonal:
        parts.append(_line(Curve("axis dotted", [(0, 0), (1, 1)])))
    parts += [_line(each) for each in drawn]
    parts.append(
        f'<text x="{SIDE / 2}" y="{SIDE - 3}" text-anchor="middle">{escape(across)}</text>'
    )
    label = escape(f"{title}: {up} against {across}")
    caption = escape(f"{title} ({up} upwards)")
    return (
        f"<figure><figcaption>{caption}</figcaption>"
        f'<svg viewBox="0 0 {SIDE:g} {SIDE:g}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg></figure>"
    )


def _line(curve: Curve) -> str:
    placed = [_at(x, y) for x, y in curve.points]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in placed)
    line = f'<polyline points="{points}"/>'
    return f'<g class="{escape(curve.kind)}">{line}{dots if curve.marked else ""}</g>'


def _at(x: float, y: float) -> tuple[float, float]:
    inside = SIDE - EDGE - 6
    return round(EDGE + x * inside, 1), round(6 + (1 - y) * inside, 1)
