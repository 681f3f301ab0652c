"""All that is wrong with a file, or a folder of them, for people."""

from pathlib import Path

from pipeline_code.check.findings import Report, Violation

__all__ = ["listing"]

_SHOWN_ROWS = 5
_REGISTER = "; if they are new, give --register-customers"


def listing(path: Path, report: Report) -> str:
    """A line for each rule that is broken: how often, in which rows, and what it is."""
    total = sum(report.counts.values())
    faults = "1 fault" if total == 1 else f"{total} faults"
    lines = [f"{path} must keep the lake's rules, got {faults} (rows count from 0):"]
    for rule, count in report.counts.items():
        found = [each for each in report.violations if each.rule == rule]
        rows = [_place(each, path) for each in found[:_SHOWN_ROWS] if each.row is not None]
        more = ", ..." if count > len(rows) else ""
        where = f"{'row' if count == 1 else f'{count} rows:'} {', '.join(rows)}{more}: "
        hint = _REGISTER if rule == "unknown_customer" else ""
        if rows:
            lines.append(f"  {rule}: {where}{found[0].message}{hint}")
        else:
            lines += [f"  {rule}: {_place(each, path)}{each.message}" for each in found]
    return "\n".join(lines)


def _place(found: Violation, path: Path) -> str:
    """The row of a violation, and its file, if the path has several."""
    if found.row is None:
        return "" if found.file == path.name else f"{found.file}: "
    return str(found.row) if found.file == path.name else f"{found.row} of {found.file}"
