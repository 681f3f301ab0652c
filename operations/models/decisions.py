"""What was decided on a model package: when, which way, by whom and why, kept with the package."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from operations.console import utc
from operations.errors import OperationError
from operations.target import Target
from pipeline_code.common.approvals import approval, numbered_decisions

__all__ = [
    "APPROVED",
    "PENDING",
    "REJECTED",
    "Decision",
    "decisions_on",
    "last_decision",
    "record",
]

PENDING, APPROVED, REJECTED = "PendingManualApproval", "Approved", "Rejected"
# SageMaker's limits: of ApprovalDescription, of a metadata value, and of how many there are.
DESCRIPTION_LIMIT, VALUE_LIMIT, PROPERTIES_LIMIT = 1024, 256, 50
_TEXT = re.compile(r"(\S+) (Approved|Rejected) by (\S+): (.*)")
_PUNCTUATION = frozenset("_.:/=+-@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
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
        at, status, by, reason = found.groups()
        return cls(at=at, status=status, by=by, reason=reason)

    def text(self) -> str:
        """As it is kept: within SageMaker's limits, in the characters that it takes."""
        by = "".join(character if _is_taken(character) else "_" for character in self.by)
        reason = "".join(character if _is_taken(character) else " " for character in self.reason)
        return f"{self.at} {self.status} by {by}: {' '.join(reason.split())}"[:VALUE_LIMIT]

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def decisions_on(package: Mapping[str, Any]) -> list[Decision]:
    """Every decision recorded with a described package, in order.

    The first may be the pipeline's: decision_000 says that passing the gate approved it, if so.
    """
    numbered = numbered_decisions(package)
    parsed = (Decision.parse(numbered[number]) for number in sorted(numbered))
    return [decision for decision in parsed if decision is not None]


def last_decision(package: Mapping[str, Any]) -> Decision | None:
    """How a described package came to the status that it has; None while it waits for a decision.

    One that was registered as approved, or decided on elsewhere, in SageMaker's console for
    example, has no record for its status; then it is told what SageMaker knows.
    """
    status = package["ModelApprovalStatus"]
    if status == PENDING:
        return None
    recorded = decisions_on(package)
    # The reason is whole in the description; the record has what fits.
    whole = " ".join(package.get("ApprovalDescription", "").split())
    if recorded and recorded[-1].status == status:
        last = recorded[-1]
        return Decision(at=last.at, status=status, by=last.by, reason=whole or last.reason)
    changed = package.get("LastModifiedTime")
    if changed is None:
        at = utc(package["CreationTime"])
        return Decision(at=at, status=status, by="the pipeline", reason="passed the gate")
    user = package.get("LastModifiedBy", {})
    by = user.get("IamIdentity", {}).get("Arn") or user.get("UserProfileArn") or "unknown"
    return Decision(at=utc(changed), status=status, by=by, reason=whole)


def record(
    target: Target,
    package: Mapping[str, Any],
    status: str,
    reason: str,
    *,
    after: Mapping[str, Any] | None = None,
) -> datetime:
    """Change a described package's status, and keep who did it and why; returns when.

    Args:
        target: Where.
        package: The package, as described.
        status: `APPROVED` or `REJECTED`.
        reason: Why.
        after: A described package whose approval this one is to follow, whatever the clocks of
            those who approved them say.

    Raises:
        OperationError: If the reason is blank, or the package's metadata is full.
    """
    reason = " ".join(reason.split())
    if not reason:
        raise OperationError("reason must not be blank, got nothing; say why with --reason")
    properties = package.get("CustomerMetadataProperties", {})
    if len(properties) >= PROPERTIES_LIMIT:
        raise OperationError(
            f"package must have fewer than {PROPERTIES_LIMIT} metadata properties to record a "
            f"decision, got {len(properties)}; remove one from {package['ModelPackageArn']}"
        )
    moment = datetime.now(UTC)
    if after is not None:
        moment = max(moment, approval(after)[0] + timedelta(milliseconds=1))
    decision = Decision(
        at=moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        status=status,
        by=str(target.client("sts").get_caller_identity()["Arn"]),
        reason=reason,
    )
    key = f"decision_{max(numbered_decisions(package), default=0) + 1:03}"
    sagemaker, arn = target.client("sagemaker"), package["ModelPackageArn"]
    sagemaker.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus=status,
        ApprovalDescription=reason[:DESCRIPTION_LIMIT],
        CustomerMetadataProperties={key: decision.text()},
    )
    changed: datetime = sagemaker.describe_model_package(ModelPackageName=arn)["LastModifiedTime"]
    return changed


def _is_taken(character: str) -> bool:
    """Whether SageMaker takes a character in a metadata value: its pattern, in short."""
    return character in _PUNCTUATION or unicodedata.category(character)[0] in "LNZ"
