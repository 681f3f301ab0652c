"""Brings the endpoint to what registry and parameters say."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Self

import boto3
from pipeline_code.contracts.decisions import REJECTED, approval
from pipeline_code.contracts.packages import NO_MODEL, package_of, spelled

from deploy_model.alarms import VersionAlarms
from deploy_model.baselines import copy_baselines
from deploy_model.fit import misfit
from deploy_model.ledger import Deployment, Parameters, moment
from deploy_model.log import log, measure_age
from deploy_model.packages import Package, Packages
from deploy_model.settings import DeploymentSettings
from deploy_model.stack import UPDATABLE, Stack, StackBusyError
from deploy_model.verdicts import Verdicts
from served_model import ServedModel, served

__all__ = ["Deployer"]

SETTLED = frozenset({"InService", "Failed"})


@dataclass(frozen=True, slots=True)
class Deployer:
    """Goes by what AWS says when it is called, so that it may be called at any time, for anything.

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

    @classmethod
    def connected(cls, settings: DeploymentSettings) -> Self:
        """With clients of AWS."""
        return cls(
            settings,
            Packages(settings.model_package_group_name),
            Parameters(settings.state_parameter),
            Stack(settings.stack_name, settings.stack_role_arn),
            VersionAlarms(settings.stack_name),
        )

    @property
    def verdicts(self) -> Verdicts:
        """What notes how deployments end."""
        return Verdicts(self.settings, self.packages, self.parameters, self.stack, self.alarms)

    def reconcile(self, message: str, changed: str | None, context: Any) -> str:
        """Conclude the last deployment, then start the next one if there is something to deploy.

        Args:
            message: What it is called for: for one message, the same step is one update.
            changed: ARN of the package that it is called for, if it is for one.
            context: Lambda's.

        Returns:
            What was done.

        Raises:
            StackBusyError: If the stack cannot be updated now.
        """
        status = self.stack.status_at_rest(context)
        if status not in UPDATABLE:
            return self.verdicts.cannot_update(status)
        self.stack.protect()
        endpoint = self.served()
        now = self._recalled(endpoint or ServedModel())
        self.verdicts.conclude(now)
        wanted = self._wanted(changed, now)
        if wanted is None and endpoint is None:
            # Nothing runs, so that nothing is lost with the name of what could not be deployed.
            self.parameters.put(self.settings.approved_parameter, NO_MODEL)
            return "no package is approved"
        package = now.package if wanted is None else str(wanted["ModelPackageArn"])
        if wanted is not None:
            # Also of what runs: it may have been deployed before monitors wanted some of them.
            copy_baselines(wanted, self.settings.artifacts_bucket)
        self._tell_age(now.package, wanted)
        target = ServedModel(
            package=package,
            spelled=now.spelled if package == now.package else spelled(wanted or {}),
            challenger=self._challenger(package, now),
        )
        return self._bring_to(target, message, wanted, now)

    def _bring_to(
        self, target: ServedModel, message: str, wanted: Package | None, now: ServedModel
    ) -> str:
        """Start the next deployment, unless there is none, or it has to wait."""
        if not now.lost and (now.package, now.challenger) == (target.package, target.challenger):
            self._name(now)
            return "up to date" if wanted else self.verdicts.rejected_but_serving(now.package)
        waits_until = self._waits_until(wanted, target, now)
        if waits_until is None:
            return self._deploy(message, wanted, target, now)
        if now.lost:
            return self._deploy(message, None, now, now)  # what served goes on meanwhile
        self._name(now)
        return f"{target.package} is tried again after {waits_until}"

    def _waits_until(
        self, wanted: Package | None, target: ServedModel, now: ServedModel
    ) -> str | None:
        """Until when a deployment waits that failed for what passes; None if it does not.

        An approval since then is a person's word that it may begin, and so is the rejection of what
        serves meanwhile.
        """
        last = self.parameters.last_deployment()
        if last is None or not last.retry_at or not last.is_of(target.package, target.challenger):
            return None
        if datetime.now(UTC) >= datetime.fromisoformat(last.retry_at):
            return None
        if wanted is not None and approval(wanted)[0] > datetime.fromisoformat(last.since):
            return None
        serving = self.packages.find(now.package)
        is_revoked = serving is not None and serving["ModelApprovalStatus"] == REJECTED
        return None if is_revoked else last.retry_at

    def _recalled(self, now: ServedModel) -> ServedModel:
        """What serves when its configuration is gone: what served before the last deployment."""
        last = self.parameters.last_deployment()
        if not now.lost or last is None:
            return now
        package = self.packages.find(last.previous)
        return replace(
            now, package=last.previous, spelled=NO_MODEL if package is None else spelled(package)
        )

    def _name(self, target: ServedModel) -> None:
        """Have the parameter spell a package."""
        name = self.settings.approved_parameter
        is_spelled = target.spelled != target.package
        # Of one whose model says its ARN only, what names it already may say more.
        if is_spelled or package_of(self.parameters.value(name)) != target.package:
            self.parameters.put(name, target.spelled)

    def _tell_age(self, serving: str, wanted: Package | None) -> None:
        """Measure how old the model that answers is: what nobody replaces goes stale."""
        is_wanted = wanted is not None and wanted["ModelPackageArn"] == serving
        package = wanted if is_wanted else self.packages.find(serving)
        if package is not None and "CreationTime" in package:
            measure_age(
                self.settings.metric_namespace,
                self.settings.endpoint_name,
                package["CreationTime"],
                model_package=serving,
            )

    def served(self) -> ServedModel | None:
        """What the endpoint serves; None if there is no endpoint."""
        return served(boto3.client("sagemaker"), self.settings.endpoint_name)

    def _wanted(self, changed: str | None, now: ServedModel) -> Package | None:
        """The package that was approved last among those that fit; the others are rejected."""
        for package in self.packages.approved(changed):
            arn = package["ModelPackageArn"]
            reason = None if arn == now.package else misfit(package, self.settings)
            if reason is None:
                return package
            self.verdicts.reject(arn, f"it does not fit: {reason}")
            self.verdicts.refuse(arn, reason, now)
        return None

    def _challenger(self, deployed: str, now: ServedModel) -> str:
        """The package that is to be in the shadow, or `none`; one that cannot be is let go."""
        value = self.parameters.value(self.settings.challenger_parameter)
        arn = package_of(value)
        if arn == NO_MODEL:
            return NO_MODEL
        if arn == deployed:
            log("the challenger is deployed itself by now", model_package=arn)
        else:
            reason = self._challenger_misfit(arn, value)
            if reason is None:
                return arn
            self.verdicts.refuse(arn, f"as challenger: {reason}", now, challenger=arn)
        # Left there, it would fail the next promotion.
        self.parameters.put(self.settings.challenger_parameter, NO_MODEL)
        return NO_MODEL

    def _challenger_misfit(self, arn: str, value: str) -> str | None:
        package = self.packages.find(arn)
        if package is None:
            return f"it must be a package of {self.settings.model_package_group_name}, got {arn}"
        if package["ModelApprovalStatus"] == REJECTED:
            return "it must not be rejected; its model is not to be run"
        reason = misfit(package, self.settings)
        if reason is None and value != spelled(package):
            # Else whoever writes the parameter could have the endpoint's role run anything.
            return f"it must be spelled as {spelled(package)}, got {value}; use `fraudloop shadow`"
        return reason

    def _deploy(
        self, message: str, wanted: Package | None, target: ServedModel, now: ServedModel
    ) -> str:
        if now.status not in SETTLED:
            # Auto Scaling's update, say: SageMaker refuses another one, and the stack rolls back.
            raise StackBusyError(f"endpoint {self.settings.endpoint_name} is {now.status}")
        step = f"{message}|{target.package}|{target.challenger}"
        at, last = moment(), self.parameters.last_deployment()
        is_retry = last and last.retry_at and last.is_of(target.package, target.challenger)
        deployment = Deployment(
            model_package=target.package,
            challenger=target.challenger,
            state="Deploying",
            since=at,
            reason=(wanted or {}).get("ApprovalDescription", ""),
            previous=now.package,
            update=f"deploy-{sha256(step.encode()).hexdigest()[:40]}",
            begun=at,
            attempts=last.attempts if last and is_retry else 0,
        )
        # First the record, so that no update is without one; then what the update reads.
        self.parameters.record(deployment)
        self._name(target)
        if self.stack.update(deployment.update):
            return f"update to {target.package} started"
        return self.verdicts.nothing_to_update(deployment, self.served() or ServedModel())
