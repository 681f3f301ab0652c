"""Which of several model packages was approved last: that one is deployed, and is the champion.

The Lambda that deploys computes the same for itself, because it ships without this package; a test
compares the two.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

__all__ = ["approval", "numbered_decisions"]

_KEY = re.compile(r"decision_(\d+)")
_APPROVED = re.compile(r"(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) Approved by .*", re.DOTALL)


def approval(package: Mapping[str, Any]) -> tuple[datetime, int]:
    """Orders described packages by approval: its time, then the version.

    The last recorded decision counts: a person's, or decision_000, that passing the gate approved
    it. Where none is recorded, the package's last change stands in: the console records nothing.
    """
    decisions = numbered_decisions(package)
    found = _APPROVED.fullmatch(decisions[max(decisions)]) if decisions else None
    changed: datetime = package.get("LastModifiedTime", package["CreationTime"])
    moment = changed if found is None else datetime.fromisoformat(found[1])
    return moment, package.get("ModelPackageVersion", 0)


def numbered_decisions(package: Mapping[str, Any]) -> dict[int, str]:
    """The decisions recorded in a described package's metadata, as text, by their numbers."""
    properties = package.get("CustomerMetadataProperties", {})
    return {
        int(match[1]): text for key, text in properties.items() if (match := _KEY.fullmatch(key))
    }
