"""The verdicts on deployments that ended, and on packages that are not deployed."""

from dataclasses import dataclass, replace
from datetime import datetime

from pipeline_code.contracts.decisions import APPROVED
from pipeline_code.contracts.packages import NO_MODEL, package_of

from deploy_model.ledger import Deployment, Parameters, moment
from deploy_model.log import count_failure, log
from deploy_model.packages import Packages
from deploy_model.settings import DeploymentSettings
from deploy_model.stack import Stack, UpdateOutcome
from served_model import ServedModel

__all__ = ["Verdicts"]

WORDLESS = "the endpoint went back to what it served before, and says no reason"
# Of reasons for which nothing is wrong with the package: the endpoint or the stack was being
# changed by somebody else, or AWS had not the instances.
PASSING = (
    "Cannot update in-progress endpoint",
    "InsufficientInstanceCapacity",
    "Unable to provision requested ML compute capacity",
    "ResourceLimitExceeded",
    "service limit",
    "Rate exceeded",
    "ThrottlingException",
)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Keeps registry, parameters and metric in step with how deployments end.

    Args:
        settings: Names of what is deployed.
        packages: The registry.
        parameters: What the stack reads, and what became of the last deployment.
        stack: The stack with the endpoint.
    """

    settings: DeploymentSettings
    packages: Packages
    parameters: Parameters
    stack: Stack

    def conclude(self, now: ServedModel) -> bool:
        """Note how the last deployment ended, if that is not noted yet.

        Returns:
            Whether it has just failed for a reason that passes.
        """
        last = self.parameters.last_deployment()
        if last is None or not last.update or last.state in {"InService", "RolledBack"}:
            return False
        outcome = self.stack.outcome(last.update, datetime.fromisoformat(last.begun))
        if outcome is not None and outcome.rolled_back:
            return self._rolled_back(last, outcome, now)
        if (now.package, now.challenger) == (last.model_package, last.challenger):
            self.parameters.record(last.ended("InService", last.reason))
        elif outcome is not None and (
            now.lost or now.package == last.previous != last.model_package
        ):
            # The verdict is what serves, whatever CloudFormation makes of it.
            return self._rolled_back(last, replace(outcome, reason=WORDLESS), now)
        return False

    def _rolled_back(self, last: Deployment, outcome: UpdateOutcome, now: ServedModel) -> bool:
        """See to it that the next deployment does not repeat it; whether the reason passes."""
        reason = f"{outcome.status}: {outcome.reason}"
        if now.failure not in reason:  # CloudFormation mostly repeats what SageMaker says
            reason += f" ({now.failure})"
        passes = any(word in reason for word in PASSING)
        if passes:
            pass  # the package is not to blame, and stays approved
        elif last.model_package != last.previous:
            self.reject(last.model_package, f"its deployment was rolled back: {reason}")
        else:
            # The deployed package served before, so that the challenger is to blame.
            self.parameters.put(self.settings.challenger_parameter, NO_MODEL)
        self.parameters.record(last.ended("RolledBack", reason))
        self.count(reason, last.model_package)
        return passes

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

    def count(self, reason: str, model_package: str) -> None:
        """Have operators alarmed."""
        settings = self.settings
        count_failure(
            settings.metric_namespace,
            settings.endpoint_name,
            reason=reason,
            model_package=model_package,
        )
