"""The verdicts on deployments that ended, and on packages that are not deployed."""

from dataclasses import dataclass, replace
from datetime import datetime

from pipeline_code.contracts.decisions import APPROVED
from pipeline_code.contracts.packages import NO_MODEL, package_of

from deploy_model.alarms import VersionAlarms
from deploy_model.causes import Cause, passes, pause
from deploy_model.ledger import Deployment, Parameters, moment
from deploy_model.log import count_failure, log
from deploy_model.packages import Packages
from deploy_model.settings import DeploymentSettings
from deploy_model.stack import Stack, UpdateOutcome
from served_model import ServedModel

__all__ = ["Verdicts"]

BY_HAND = "a person cancelled the stack's update"
WORDLESS = "the endpoint went back to what it served before, and says no reason"


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Keeps registry, parameters and metric in step with how deployments end.

    Args:
        settings: Names of what is deployed.
        packages: The registry.
        parameters: What the stack reads, and what became of the last deployment.
        stack: The stack with the endpoint.
        alarms: Those of its versions.
    """

    settings: DeploymentSettings
    packages: Packages
    parameters: Parameters
    stack: Stack
    alarms: VersionAlarms

    def conclude(self, now: ServedModel) -> None:
        """Note how the last deployment ended, if that is not noted yet."""
        last = self.parameters.last_deployment()
        if last is None or not last.update or last.state in {"InService", "RolledBack"}:
            return
        outcome = self.stack.outcome(last.update, datetime.fromisoformat(last.begun))
        if outcome is not None and outcome.rolled_back:
            self._rolled_back(last, outcome, now)
        elif (now.package, now.challenger) == (last.model_package, last.challenger):
            self.parameters.record(last.ended("InService", last.reason))
        elif outcome is not None and (
            now.lost or now.package == last.previous != last.model_package
        ):
            # The verdict is what serves, whatever CloudFormation makes of it.
            self._rolled_back(last, replace(outcome, reason=WORDLESS), now)

    def _rolled_back(self, last: Deployment, outcome: UpdateOutcome, now: ServedModel) -> None:
        """See to it that the next deployment does not repeat it, or not at once."""
        words = outcome.reason or (BY_HAND if outcome.is_cancelled else "")
        reason = f"{outcome.status}: {words}"
        if now.failure not in reason:  # CloudFormation mostly repeats what SageMaker says
            reason += f" ({now.failure})"
        cause = self._cause(last, outcome, reason)
        ended = replace(last.ended("RolledBack", reason), cause=cause)
        if cause is not Cause.PACKAGE:
            # The package is not to blame, and stays approved.
            ended = ended.retried(pause(cause, last.attempts + 1, self.settings.first_pause))
        elif last.model_package != last.previous:
            self.reject(last.model_package, f"its deployment was rolled back: {reason}")
        else:
            # The deployed package served before, so that the challenger is to blame.
            self.parameters.put(self.settings.challenger_parameter, NO_MODEL)
        self.parameters.record(ended)
        self.count(reason, last.model_package, cause=cause, retry_at=ended.retry_at)

    def _cause(self, last: Deployment, outcome: UpdateOutcome, reason: str) -> Cause:
        if outcome.is_cancelled:
            return Cause.CANCELLED
        if passes(reason):
            return Cause.AWS
        may_be_alarm = "alarm" in reason.lower() or outcome.reason == WORDLESS
        begun = datetime.fromisoformat(last.begun)
        if may_be_alarm and self.alarms.only_old_fleet(
            last.model_package, last.previous, begun, outcome.at
        ):
            return Cause.OLD_FLEET
        return Cause.PACKAGE

    def cannot_update(self, status: str) -> str:
        """The stack is in a state that only an operator, or its deletion, ends."""
        reason = f"stack {self.stack.name} is {status}"
        if status.startswith("DELETE"):
            return reason
        reason += ", from which a person has to bring it back"
        last = self.parameters.last_deployment()
        if last is not None and last.state == "Deploying":
            self.parameters.record(last.ended("Failed", reason))
        self.count(reason, package_of(self.parameters.value(self.settings.approved_parameter)))
        return reason

    def nothing_to_update(self, deployment: Deployment, now: ServedModel) -> str:
        """Either somebody else's update has just done it, or the stack is not what it was."""
        if (now.package, now.challenger) == (deployment.model_package, deployment.challenger):
            self.parameters.record(deployment.ended("InService", deployment.reason))
            return "the stack is up to date"
        reason = (
            f"stack {self.stack.name} has nothing to update, yet its endpoint serves "
            f"{now.package} with challenger {now.challenger}: deploy the stack again"
        )
        self.parameters.record(deployment.ended("Failed", reason))
        self.count(reason, deployment.model_package)
        return reason

    def rejected_but_serving(self, package: str) -> str:
        """No response at all is worse than those of a rejected model; an operator has to choose."""
        reason = f"{package} is not approved, but no other package is, and it goes on serving"
        self.count(reason, package)
        return reason

    def refuse(
        self, arn: str, reason: str, now: ServedModel, *, challenger: str = NO_MODEL
    ) -> None:
        """Note that a package is not deployed."""
        log("refused", model_package=arn, reason=reason)
        self.parameters.record(
            Deployment(
                model_package=arn,
                challenger=challenger,
                state="Refused",
                since=moment(),
                reason=reason,
                previous=now.package,
            )
        )

    def reject(self, arn: str, reason: str) -> None:
        """Reject a package, unless it is not approved by now."""
        package = self.packages.find(arn)
        if package is not None and package["ModelApprovalStatus"] == APPROVED:
            self.packages.reject(package, reason)

    def count(self, reason: str, model_package: str, **fields: object) -> None:
        """Have operators alarmed."""
        settings = self.settings
        count_failure(
            settings.metric_namespace,
            settings.endpoint_name,
            reason=reason,
            model_package=model_package,
            **fields,
        )
