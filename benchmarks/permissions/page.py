"""The generated table of `docs/permissions.md`: who needed what, and who was refused."""

from collections.abc import Sequence

from benchmarks.permissions.forbidden import Row
from operations.documentation import with_part


def refreshed(page: str, rows: Sequence[Row]) -> str:
    """A page with its table as the loop was played now.

    Raises:
        OperationError: The page has no place for it.
    """
    lines = [("to", "may, and did", "tried and refused"), ("---", "---", "---:")]
    for row in rows:
        needed = ", ".join(f"`{role}`" for role in sorted(row.needed)) or "no role"
        lines.append((row.capability.name, needed, str(len(row.refused))))
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return with_part(page, table, "python -m benchmarks.permissions --page")
