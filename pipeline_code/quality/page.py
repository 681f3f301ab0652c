"""Small pieces of HTML, with every text escaped."""

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["figure", "page", "pairs", "paragraph", "section", "table"]

STYLE = """
:root { color-scheme: light dark; --ground: #f4f6f8; --sheet: #fff; --ink: #1b2733;
  --faint: #52606d; --line: #e3e7ec; --rule: #eef1f4; --blue: #1f5fa8; --good: #1a7f4b;
  --bad: #b42318; --grey: #9aa5b1; }
@media (prefers-color-scheme: dark) { :root { --ground: #12181f; --sheet: #1b232d; --ink: #e4e9ee;
  --faint: #a3b0bd; --line: #303b47; --rule: #28323d; --blue: #6aa9ee; --good: #4cc38a;
  --bad: #f4776a; --grey: #6b7885; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 25px; margin: 0 0 4px; }
h2 { font-size: 18px; margin: 0 0 12px; }
section { background: var(--sheet); border: 1px solid var(--line); border-radius: 8px;
  padding: 20px 22px; margin-top: 18px; overflow-x: auto; }
p { margin: 0 0 10px; max-width: 78ch; }
.verdict { border-left: 6px solid var(--blue); padding: 10px 16px; background: var(--sheet);
  margin-top: 16px; }
.passed { border-color: var(--good); } .refused { border-color: var(--bad); }
.verdict strong { display: block; }
table { border-collapse: collapse; margin: 0 0 12px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 5px 14px 5px 0; border-bottom: 1px solid var(--rule); }
th { color: var(--faint); font-weight: 600; vertical-align: bottom; }
th:first-child, td:first-child, .texts :is(th, td) { text-align: left; }
.texts td { vertical-align: top; }
.texts td:last-child { min-width: 18rem; }
.plots { display: grid; gap: 18px;
  grid-template-columns: repeat(auto-fit, minmax(min(400px, 100%), 1fr)); }
figure { margin: 0; } figcaption { font-weight: 600; margin-bottom: 6px; }
img { width: 100%; height: auto; border: 1px solid var(--rule); border-radius: 6px; }
"""


def page(title: str, body: Iterable[str], *, style: str = "") -> str:
    """A whole document that needs nothing from elsewhere, and runs nothing.

    Args:
        title: What the browser shows.
        body: Pieces of HTML.
        style: Rules beside the common ones.
    """
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def section(title: str, *content: str) -> str:
    """A titled part of the page."""
    return f"<section>\n<h2>{escape(title)}</h2>\n" + "\n".join(content) + "\n</section>"


def paragraph(text: str) -> str:
    """A paragraph of text."""
    return f"<p>{escape(text)}</p>"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, texts: bool = False) -> str:
    """A table; numbers and texts are shown as they are given.

    Args:
        columns: Their titles.
        rows: A value for each column.
        texts: Whether its columns are to be read, and not to be compared as figures are.
    """
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(str(value))}</td>" for value in row) + "</tr>"
        for row in rows
    )
    kind = ' class="texts"' if texts else ""
    return f"<table{kind}>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def pairs(rows: Iterable[tuple[str, object]]) -> str:
    """A table of names and values."""
    body = "\n".join(
        f"<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>" for name, value in rows
    )
    return f"<table>\n<tbody>\n{body}\n</tbody>\n</table>"


def figure(title: str, name: str, base64_png: str) -> str:
    """A picture that the page itself holds."""
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<img alt="{escape(title)}" id="{escape(name)}" '
        f'src="data:image/png;base64,{base64_png}"></figure>'
    )
