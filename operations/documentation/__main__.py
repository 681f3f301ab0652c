"""Writes the generated parts of the documentation: python -m operations.documentation."""

from pathlib import Path

from operations.documentation.decisions import decision_table
from operations.documentation.features import feature_table
from operations.documentation.pages import with_table
from operations.target import PROJECT_ROOT

DOCS = PROJECT_ROOT / "docs"


def main() -> None:
    """Bring every page up to date."""
    _write(DOCS / "features.md", feature_table())
    _write(DOCS / "adr" / "README.md", decision_table(DOCS / "adr"))


def _write(page: Path, table: str) -> None:
    page.write_text(with_table(page.read_text(encoding="utf-8"), table), encoding="utf-8")


if __name__ == "__main__":
    main()
