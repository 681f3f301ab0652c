"""Filters, order and pages, which all List operations share."""

from datetime import datetime
from typing import Any

_PAGE = 100
_DEFAULT_ORDER = "Descending"


def page(
    request: dict[str, Any], items: list[dict[str, Any]], member: str, *, name: str
) -> dict[str, Any]:
    """The part of the items that a List request asks for.

    Args:
        request: May hold NameContains, CreationTimeAfter and the like, SortBy, SortOrder,
            MaxResults and NextToken.
        items: All summaries.
        member: The answer's member that takes them.
        name: The summaries' member that holds their name.
    """
    found = [item for item in items if _passes(request, item, name)]
    key = {"Name": name}.get(request.get("SortBy", ""), request.get("SortBy", "CreationTime"))
    found.sort(key=lambda item: (_sortable(item.get(key)), str(item.get(name))))
    if request.get("SortOrder", _DEFAULT_ORDER) == "Descending":
        found.reverse()
    start = int(request.get("NextToken", "0"))
    end = start + int(request.get("MaxResults", _PAGE))
    answer: dict[str, Any] = {member: found[start:end]}
    if end < len(found):
        answer["NextToken"] = str(end)
    return answer


def epoch(value: Any) -> float:
    """A time of a request or a document in seconds since the epoch."""
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, str):
        return datetime.fromisoformat(value).timestamp()
    return float(value)


def _passes(request: dict[str, Any], item: dict[str, Any], name: str) -> bool:
    if request.get("NameContains", "").lower() not in str(item.get(name, "")).lower():
        return False
    for member in ("CreationTime", "LastModifiedTime", "ScheduledTime"):
        after, before = request.get(f"{member}After"), request.get(f"{member}Before")
        if after is not None and not item.get(member, 0.0) > epoch(after):
            return False
        if before is not None and not item.get(member, 0.0) < epoch(before):
            return False
    return True


def _sortable(value: Any) -> tuple[int, float, str]:
    if isinstance(value, int | float):
        return (1, float(value), "")
    return (0, 0.0, str(value))
