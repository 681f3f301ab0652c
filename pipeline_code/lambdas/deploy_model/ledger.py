"""The last deployment, stored in an SSM parameter; SSM stores its history."""

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

import boto3
from pipeline_code.contracts.decisions import utc_text
from pipeline_code.contracts.packages import NO_MODEL

__all__ = ["Deployment", "Parameters", "State", "moment"]

State = Literal["Deploying", "InService", "RolledBack", "Refused", "Failed"]
# A parameter holds 4096 bytes.
REASON_LIMIT = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One deployment.

    Attributes:
        model_package: ARN of the package that was to serve, or `none`.
        challenger: ARN of the one that was to be in its shadow, or `none`.
        state: Where the deployment is.
        since: When it came there.
        reason: Why.
        previous: ARN of the package that served before, or `none`.
        update: Token of the stack's update, empty if there was none.
        begun: When that update was asked for.
        cause: What it failed for, if it failed: `package`, or what passes.
        attempts: How often it has failed for what passes.
        retry_at: When it is tried again, empty if it is not.
    """

    model_package: str
    state: State
    since: str
    reason: str
    previous: str
    challenger: str = NO_MODEL
    update: str = ""
    begun: str = ""
    cause: str = ""
    attempts: int = 0
    retry_at: str = ""

    def ended(self, state: State, reason: str) -> Self:
        """The same deployment, come to a state."""
        return replace(self, state=state, since=moment(), reason=reason)

    def retried(self, pause: timedelta) -> Self:
        """The same deployment, which has failed and is to be tried again after a pause."""
        at = utc_text(datetime.now(UTC) + pause)
        return replace(self, attempts=self.attempts + 1, retry_at=at)

    def is_of(self, package: str, challenger: str) -> bool:
        """Whether these are what was to serve."""
        return (self.model_package, self.challenger) == (package, challenger)


def moment() -> str:
    """Now, as it is recorded."""
    return utc_text(datetime.now(UTC))


class Parameters:
    """SSM parameters: those that the stack reads, and the one with the last deployment.

    Needs: ssm:GetParameters and PutParameter on them.
    """

    def __init__(self, state_parameter: str) -> None:
        self._ssm = boto3.client("ssm")
        self._state_parameter = state_parameter

    def value(self, name: str) -> str:
        """A parameter's value; `none` if there is no such parameter, or it has no name."""
        if not name:
            return NO_MODEL
        found = self._ssm.get_parameters(Names=[name])["Parameters"]
        return str(found[0]["Value"]) if found else NO_MODEL

    def put(self, name: str, value: str) -> None:
        """Set a parameter that does not have that value."""
        if self.value(name) != value:
            self._ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)

    def last_deployment(self) -> Deployment | None:
        """None before the first, and if the parameter holds something else."""
        try:
            found: Any = json.loads(self.value(self._state_parameter))
            return Deployment(**found)
        except (ValueError, TypeError):
            return None

    def record(self, deployment: Deployment) -> None:
        """Make a deployment the last one."""
        kept = asdict(deployment) | {"reason": deployment.reason[:REASON_LIMIT]}
        self.put(self._state_parameter, json.dumps(kept))
