"""Approval, rejection and roll-back: the decisions that the deployed rule and Lambda carry out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from operations.console import utc
from operations.errors import OperationError
from operations.models import registry
from operations.models.decisions import record
from operations.models.deployments import waits_for_retry
from operations.target import Target
from pipeline_code.contracts.decisions import APPROVED, PENDING, REJECTED

__all__ = ["Rollback", "approve", "reject", "roll_back"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """What a roll-back decided.

    Attributes:
        revoked: ARN of the package that was deployed, and is rejected now.
        restored: ARN of the approved package that takes its place.
        passed_over: Versions approved later than the restored one, which stay approved.
        at: When it was decided, by the registry's clock.
    """

    revoked: str
    restored: str
    passed_over: list[int]
    at: datetime

    def as_dict(self) -> dict[str, Any]:
        return {
            "revoked": self.revoked,
            "restored": self.restored,
            "passed_over": self.passed_over,
            "at": utc(self.at),
        }


def approve(target: Target, package: str, *, reason: str, overrule: bool = False) -> str:
    """Approve a package that waits for it; the deployed rule then deploys it. Returns its ARN.

    Args:
        target: Where.
        package: ARN, version number or `latest`.
        reason: Kept with the package.
        overrule: Approve one that was rejected before, or whose deployment waits to be retried.

    Raises:
        OperationError: If the package is unknown, or is approved already, or was rejected and that
            is not to be overruled; or if the reason is blank.
    """
    described = registry.find(target, package)
    _require_undecided(described, "approve", overrule)
    if described["ModelApprovalStatus"] == APPROVED and not waits_for_retry(
        target, described["ModelPackageArn"]
    ):
        raise OperationError(
            f"package must not be approved yet, got {_named(described)}; to serve an earlier "
            "approved version again, use `fraudloop rollback --to`"
        )
    record(target, described, APPROVED, reason, after=_deployed(target))
    return str(described["ModelPackageArn"])


def reject(target: Target, package: str, *, reason: str, overrule: bool = False) -> str:
    """Reject a package, so that it is never deployed. Returns its ARN.

    Args:
        target: Where.
        package: ARN, version number or `latest`.
        reason: Kept with the package.
        overrule: Reject one that was approved before.

    Raises:
        OperationError: If the package is unknown, or is rejected already, or was approved and that
            is not to be overruled, or is deployed; or if the reason is blank.
    """
    described = registry.find(target, package)
    if described["ModelPackageArn"] == registry.deployed_package(target):
        raise OperationError(
            f"package must not be deployed, got {_named(described)}; to take it out of service, "
            "use `fraudloop rollback`"
        )
    _require_undecided(described, "reject", overrule)
    if described["ModelApprovalStatus"] == REJECTED:
        raise OperationError(f"package must not be rejected yet, got {_named(described)}")
    record(target, described, REJECTED, reason)
    return str(described["ModelPackageArn"])


def roll_back(target: Target, *, reason: str, to: str | None = None) -> Rollback:
    """Revoke the deployed package; the deployed rule and Lambda bring back an approved one.

    Which one: the one that was approved last. With `to` it is that one, which is approved anew for
    it; versions approved in between stay approved, and are what a further roll-back brings back.

    Raises:
        OperationError: If nothing is deployed, no other version is approved, or `to` is not an
            approved one; nothing was changed then.
    """
    current = registry.find(target, "deployed")
    deployed = current["ModelPackageArn"]
    # Newest approval first, as the Lambda chooses.
    others = [
        package for package in registry.approved(target) if package["ModelPackageArn"] != deployed
    ]
    if not others:
        raise OperationError(
            f"another version must be approved to take its place, got only {_named(current)}; "
            "approve one first: `fraudloop models` lists them"
        )
    chosen = others[0] if to is None else _chosen(target, to, deployed)
    names = [package["ModelPackageArn"] for package in others]
    index = names.index(chosen["ModelPackageArn"])
    if index > 0:
        why = f"brought back in place of version {current['ModelPackageVersion']}: {reason}"
        record(target, chosen, APPROVED, why, after=others[0])
    at = record(target, current, REJECTED, f"rolled back: {reason}")
    return Rollback(
        revoked=deployed,
        restored=str(chosen["ModelPackageArn"]),
        passed_over=[package["ModelPackageVersion"] for package in others[:index]],
        at=at,
    )


def _deployed(target: Target) -> dict[str, Any] | None:
    """The deployed package, if it is approved still."""
    deployed = registry.deployed_package(target)
    approved = registry.approved(target)
    return next((each for each in approved if each["ModelPackageArn"] == deployed), None)


def _chosen(target: Target, to: str, deployed: str) -> dict[str, Any]:
    package = registry.find(target, to)
    if package["ModelPackageArn"] == deployed:
        raise OperationError(f"--to must not be the deployed version, got {_named(package)}")
    if package["ModelApprovalStatus"] != APPROVED:
        raise OperationError(
            f"--to must be an approved version, got {_named(package)}; approve it instead"
        )
    return package


def _require_undecided(described: dict[str, Any], verb: str, overrule: bool) -> None:
    if described["ModelApprovalStatus"] != PENDING and not overrule:
        raise OperationError(
            f"package must wait for approval, got {_named(described)}; to {verb} it in spite of "
            "that decision, give --overrule"
        )


def _named(described: dict[str, Any]) -> str:
    return f"version {described['ModelPackageVersion']} ({described['ModelApprovalStatus']})"
