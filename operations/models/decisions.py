"""The decisions on a model package: when, which way, by whom and why, stored with the package."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from operations.console import utc
from operations.errors import OperationError
from operations.target import Target
from pipeline_code.contracts.decisions import (
    DESCRIPTION_LIMIT,
    PENDING,
    PROPERTIES_LIMIT,
    ApprovalDecision,
    approval,
    next_decision_key,
    numbered_decisions,
    utc_text,
)

__all__ = ["decisions_on", "last_decision", "record"]


def decisions_on(package: Mapping[str, Any]) -> list[ApprovalDecision]:
    """Every decision recorded with a described package, in order.

    The first may be the pipeline's: decision_000 says that passing the gate approved it, if so.
    """
    numbered = numbered_decisions(package)
    parsed = (ApprovalDecision.parse(numbered[number]) for number in sorted(numbered))
    return [decision for decision in parsed if decision is not None]


def last_decision(package: Mapping[str, Any]) -> ApprovalDecision | None:
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
        return ApprovalDecision(at=last.at, status=status, by=last.by, reason=whole or last.reason)
    changed = package.get("LastModifiedTime")
    if changed is None:
        at = utc(package["CreationTime"])
        return ApprovalDecision(at=at, status=status, by="the pipeline", reason="passed the gate")
    user = package.get("LastModifiedBy", {})
    by = user.get("IamIdentity", {}).get("Arn") or user.get("UserProfileArn") or "unknown"
    return ApprovalDecision(at=utc(changed), status=status, by=by, reason=whole)


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
    decision = ApprovalDecision(
        at=utc_text(moment),
        status=status,
        by=str(target.client("sts").get_caller_identity()["Arn"]),
        reason=reason,
    )
    sagemaker, arn = target.client("sagemaker"), package["ModelPackageArn"]
    sagemaker.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus=status,
        ApprovalDescription=reason[:DESCRIPTION_LIMIT],
        CustomerMetadataProperties={next_decision_key(package): decision.text()},
    )
    changed: datetime = sagemaker.describe_model_package(ModelPackageName=arn)["LastModifiedTime"]
    return changed
