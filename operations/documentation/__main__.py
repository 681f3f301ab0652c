"""Writes the generated parts of the documentation: python -m operations.documentation ASSEMBLY.

The diagram is drawn from the cloud assembly in the folder ASSEMBLY, and capacity reckoned by it.
"""

import sys
from pathlib import Path

from operations.documentation.capacity_tables import capacity_tables
from operations.documentation.decisions import decision_table
from operations.documentation.diagram import diagram
from operations.documentation.features import feature_table
from operations.documentation.pages import with_part
from operations.documentation.questions import question_table
from operations.target import PROJECT_ROOT

DOCS = PROJECT_ROOT / "docs"


def main(assembly: Path) -> None:
    """Bring every page up to date."""
    picture = diagram(assembly)
    generated = {
        PROJECT_ROOT / "README.md": picture,
        DOCS / "architecture.md": picture,
        DOCS / "capacity.md": capacity_tables(assembly),
        DOCS / "features.md": feature_table(),
        DOCS / "smoke.md": question_table(),
        DOCS / "adr" / "README.md": decision_table(DOCS / "adr"),
    }
    for page, part in generated.items():
        page.write_text(with_part(page.read_text(encoding="utf-8"), part), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
