"""All that is wrong with a file, for people."""

from pipeline_code.check.findings import Report

__all__ = ["listing"]

_SHOWN_ROWS = 5
_REGISTER = "; if they are new, give --register-customers"


def listing(file: str, report: Report) -> str:
    """A line for each rule that is broken: how often, in which rows, and what it is."""
    total = sum(report.counts.values())
    faults = "1 fault" if total == 1 else f"{total} faults"
    lines = [f"{file} must keep the lake's rules, got {faults} (rows count from 0):"]
    for rule, count in report.counts.items():
        found = [each for each in report.violations if each.rule == rule]
        rows = [str(each.row) for each in found if each.row is not None][:_SHOWN_ROWS]
        more = ", ..." if rows and count > len(rows) else ""
        where = f"{'row' if count == 1 else f'{count} rows:'} {', '.join(rows)}{more}: "
        hint = _REGISTER if rule == "unknown_customer" else ""
        if rows:
            lines.append(f"  {rule}: {where}{found[0].message}{hint}")
        else:
            lines += [f"  {rule}: {each.message}" for each in found]
    return "\n".join(lines)
