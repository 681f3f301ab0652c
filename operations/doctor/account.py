"""What an account has, or is let into, beside quotas and names."""

from collections.abc import Iterator
from pathlib import Path

from botocore.exceptions import ClientError

from operations.deployment.assembly import resources
from operations.doctor.checks import Check, Outcome
from operations.target import Target

__all__ = ["model_monitor", "service_linked_roles"]

# Of each type whose service acts through a role of its own, that role (Application Auto Scaling
# User Guide, "Service-linked roles for Application Auto Scaling").
_ROLES = {
    "AWS::ApplicationAutoScaling::ScalableTarget": (
        "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    ),
}
_SCHEDULE = "AWS::SageMaker::MonitoringSchedule"


def service_linked_roles(target: Target, assembly: Path) -> Iterator[Check]:
    """Whether the roles are there that services make for themselves."""
    for kind, role in _ROLES.items():
        if not resources(assembly, kind):
            continue
        is_there = _has_role(target, role)
        yield Check(
            subject="service-linked role",
            outcome=Outcome.OK if is_there else Outcome.NOTE,
            found="it is there" if is_there else "it is not there yet",
            needed=role,
            advice=""
            if is_there
            else "AWS makes it with the first endpoint that scales, if whoever deploys may "
            "iam:CreateServiceLinkedRole: the role of `cdk bootstrap` may",
        )


def model_monitor(target: Target, assembly: Path) -> Iterator[Check]:
    """Whether Model Monitor takes this account, where the environment has it as its engine.

    It "is no longer open to new customers" (SageMaker AI Developer Guide, "Amazon SageMaker Model
    Monitor availability change"). No API says who is new; who has a schedule is not.
    """
    if not resources(assembly, _SCHEDULE):
        return
    found = target.client("sagemaker").list_monitoring_schedules(MaxResults=1)
    is_known = bool(found["MonitoringScheduleSummaries"])
    yield Check(
        subject="Model Monitor",
        outcome=Outcome.OK if is_known else Outcome.UNKNOWN,
        found="it has a schedule" if is_known else "it has no schedule in this Region",
        needed="an account that it is open to",
        advice=""
        if is_known
        else 'it is closed to new customers; if this account is one, set the engine "scheduled" of '
        "MonitoringConfig in stacks/environments.py",
    )


def _has_role(target: Target, name: str) -> bool:
    try:
        target.client("iam").get_role(RoleName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        return False
    return True
