"""The list operations' shared parts: filters, order, pages."""

import base64
import binascii
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from local_aws.sagemaker.errors import validation

Document = Mapping[str, Any]

_DEFAULT_PAGE = 100
_BOUNDS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "CreationTimeAfter": ("CreationTime", operator.ge),
    "CreationTimeBefore": ("CreationTime", operator.le),
    "CreatedAfter": ("CreationTime", operator.ge),
    "CreatedBefore": ("CreationTime", operator.le),
    "LastModifiedTimeAfter": ("LastModifiedTime", operator.ge),
    "LastModifiedTimeBefore": ("LastModifiedTime", operator.le),
}


def select(
    documents: Iterable[Document],
    request: Document,
    *,
    name: str,
    status: str = "Status",
    default_order: str = "Descending",
) -> list[Document]:
    """The documents that a list request asks for, in its order.

    Args:
        documents: All there are.
        request: With AWS's usual filters: `NameContains`, `CreationTimeAfter`, `StatusEquals`, ...
        name: The member that names a document.
        status: The member that `StatusEquals` looks at.
        default_order: Newest first, unless an operation documents otherwise.
    """
    chosen = [document for document in documents if _matches(document, request, name, status)]
    members: dict[str, str] = {"Name": name, "Status": status, "CreatedTime": "CreationTime"}
    by: str = request.get("SortBy", "CreationTime")
    member = members.get(by, by)

    def key(document: Document) -> tuple[Any, Any]:
        # Times and names never meet: a member has one type in all documents that have it.
        return (member in document, document.get(member)), document["CreationTime"]

    order = request.get("SortOrder", default_order)
    return sorted(chosen, key=key, reverse=order == "Descending")


def page(
    documents: Sequence[Document],
    request: Document,
    member: str,
    summary: Callable[[Document], Document] = dict,
) -> dict[str, Any]:
    """One page of a list, with the token for the next one."""
    start = _offset(request.get("NextToken"))
    end = start + request.get("MaxResults", _DEFAULT_PAGE)
    answer: dict[str, Any] = {member: [summary(item) for item in documents[start:end]]}
    if end < len(documents):
        answer["NextToken"] = base64.urlsafe_b64encode(f"from:{end}".encode()).decode()
    return answer


def _offset(token: str | None) -> int:
    if token is None:
        return 0
    try:
        text = base64.urlsafe_b64decode(token.encode()).decode()
        return int(text.removeprefix("from:"))
    except (binascii.Error, ValueError) as error:
        raise validation(
            f"NextToken must be what the last answer gave, got {token}; start without it"
        ) from error


def _matches(document: Document, request: Document, name: str, status: str) -> bool:
    contains = request.get("NameContains")
    if contains is not None and contains.lower() not in str(document[name]).lower():
        return False
    wanted = request.get("StatusEquals")
    if wanted is not None and document.get(status) != wanted:
        return False
    return all(
        compare(document.get(member) or 0, request[bound])
        for bound, (member, compare) in _BOUNDS.items()
        if request.get(bound) is not None
    )
