"""All checks of an account, in the order in which a deployment meets them."""

from collections.abc import Callable, Iterable
from pathlib import Path

from operations import progress
from operations.doctor.account import model_monitor, service_linked_roles
from operations.doctor.checks import Check, Outcome, looked_at
from operations.doctor.image import image_base
from operations.doctor.names import names
from operations.doctor.place import bootstrapped, identity, services
from operations.doctor.quotas import quotas
from operations.errors import OperationError
from operations.target import Target

__all__ = ["examine", "require_health"]


def examine(target: Target, assembly: Path, *, bootstraps: bool = True) -> list[Check]:
    """Look at everything that an environment's stacks need; changes nothing.

    Args:
        target: Where.
        assembly: The synthesized stacks.
        bootstraps: Whether their deployment runs `cdk bootstrap` first.

    Raises:
        ClientError: If AWS does not take the credentials.
    """
    looks: dict[str, tuple[str, Callable[[], Iterable[Check]]]] = {
        "services": ("all that the stacks use", lambda: services(target, assembly)),
        "CDK bootstrap": (
            "what the stacks ask for",
            lambda: bootstrapped(target, assembly, by_deployment=bootstraps),
        ),
        "names": ("none that others have", lambda: names(target, assembly)),
        "quotas": ("enough of each", lambda: quotas(target, assembly)),
        "Model Monitor": (
            "an account that it is open to",
            lambda: model_monitor(target, assembly),
        ),
        "service-linked roles": (
            "those of the stacks",
            lambda: service_linked_roles(target, assembly),
        ),
        "image's base": ("an image that a registry has", lambda: image_base(target, assembly)),
    }
    checks = [identity(target)]
    with progress.activity("examination"):
        for subject, (needed, look) in looks.items():
            found = looked_at(subject, needed, look)
            worst = {each.outcome for each in found}
            is_refused = Outcome.REFUSED in worst
            state = next((each for each in reversed(Outcome) if each in worst), Outcome.OK)
            progress.update(subject, state, ended=True, failed=is_refused)
            checks += found
    return checks


def require_health(checks: Iterable[Check]) -> None:
    """Refuse a deployment that AWS would refuse.

    Raises:
        OperationError: With a line for each thing that is in the way.
    """
    refused = [each for each in checks if each.outcome is Outcome.REFUSED]
    if refused:
        lines = "".join(f"\n  {each.line()}" for each in refused)
        raise OperationError(
            f"the account must be able to take the deployment, got {len(refused)} in the way; "
            f"`fraudloop deploy --no-doctor` leaves this out:{lines}"
        )
