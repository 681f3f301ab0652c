"""Decisions on a model package, as its metadata keeps them, and which approval was the last."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self

__all__ = [
    "APPROVED",
    "DESCRIPTION_LIMIT",
    "PENDING",
    "PROPERTIES_LIMIT",
    "REJECTED",
    "ApprovalDecision",
    "approval",
    "decision_key",
    "fitting",
    "is_decision_key",
    "next_decision_key",
    "numbered_decisions",
    "utc_text",
]

# SageMaker's words for a package's status.
PENDING, APPROVED, REJECTED = "PendingManualApproval", "Approved", "Rejected"
# SageMaker's limits: of ApprovalDescription, of a metadata value, and of how many there are.
DESCRIPTION_LIMIT, VALUE_LIMIT, PROPERTIES_LIMIT = 1024, 256, 50
_PUNCTUATION = frozenset("_.:/=+-@")
_KEY = re.compile(r"decision_(\d+)")
_TEXT = re.compile(
    r"(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) (Approved|Rejected) by (\S*)(?: (.*))?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalDecision:
    """One decision.

    `by` is the ARN of whoever decided; what else is known of one that was not made here is said in
    words.
    """

    at: str
    status: str
    by: str
    reason: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The decision that a package's metadata tells of; None if it is of another form."""
        found = _TEXT.fullmatch(text)
        if found is None:
            return None
        at, status, by, reason = found.groups(default="")
        return cls(at=at, status=status, by=by.removesuffix(":"), reason=reason)

    def text(self) -> str:
        """As it is kept: within SageMaker's limits, in the characters that it takes."""
        by = fitting(self.by, "_")
        reason = " ".join(fitting(self.reason, " ").split())
        return f"{self.at} {self.status} by {by}: {reason}"[:VALUE_LIMIT]

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def decision_key(number: int) -> str:
    """The name of a decision's metadata; 0 is the pipeline's own, for passing the gate."""
    return f"decision_{number:03}"


def is_decision_key(key: str) -> bool:
    """Whether a metadata's name is a decision's."""
    return _KEY.fullmatch(key) is not None


def next_decision_key(package: Mapping[str, Any]) -> str:
    """The name for one more decision on a described package."""
    return decision_key(max(numbered_decisions(package), default=0) + 1)


def numbered_decisions(package: Mapping[str, Any]) -> dict[int, str]:
    """The decisions recorded in a described package's metadata, as text, by their numbers."""
    properties = package.get("CustomerMetadataProperties", {})
    return {
        int(match[1]): text for key, text in properties.items() if (match := _KEY.fullmatch(key))
    }


def approval(package: Mapping[str, Any]) -> tuple[datetime, int]:
    """Orders described packages by approval: its time, then the version.

    The last approved one is deployed, and is the champion. The time is that of the last recorded
    decision: a person's, or the pipeline's. SageMaker's own, of the last change, stands in where
    none is recorded, as by the console: a change of other metadata moves it, and must not bring an
    older model back.
    """
    decisions = numbered_decisions(package)
    last = ApprovalDecision.parse(decisions[max(decisions)]) if decisions else None
    moment: datetime = package.get("LastModifiedTime", package["CreationTime"])
    if last is not None and last.status == APPROVED:
        moment = datetime.fromisoformat(last.at)
    return moment, package.get("ModelPackageVersion", 0)


def fitting(text: str, substitute: str) -> str:
    """A text with what SageMaker does not take in a metadata value replaced."""
    return "".join(
        # Its pattern, in short.
        character
        if character in _PUNCTUATION or unicodedata.category(character)[0] in "LNZ"
        else substitute
        for character in text
    )


def utc_text(moment: datetime) -> str:
    """A moment as decisions and states say it: `2025-03-12T10:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
