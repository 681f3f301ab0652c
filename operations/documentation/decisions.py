"""The index of architecture decisions, generated from their headings."""

from pathlib import Path

from operations.documentation.pages import markdown_table
from operations.errors import OperationError

__all__ = ["decision_table"]


def decision_table(folder: Path) -> str:
    """Every decision as a row of Markdown, in the order of their numbers.

    Args:
        folder: Holds one page a decision, NNNN-slug.md, that opens with `# NNNN: title`.

    Raises:
        OperationError: If a page's heading has another number than its file.
    """
    pages = sorted(folder.glob("[0-9]*.md"))
    rows = [(f"[{page.name[:4]}]({page.name})", _title(page)) for page in pages]
    return markdown_table([("number", "decision"), *rows])


def _title(page: Path) -> str:
    heading = page.read_text(encoding="utf-8").partition("\n")[0]
    mark = f"# {page.name[:4]}: "
    if not heading.startswith(mark):
        raise OperationError(f"{page.name} must open with '{mark}TITLE', got {heading!r}")
    return heading.removeprefix(mark)
