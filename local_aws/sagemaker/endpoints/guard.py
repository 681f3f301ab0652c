"""The guard of an update: its alarms, its time limit, and whether it goes on at all."""

import threading
import time
from collections.abc import Mapping
from typing import Any

from local_aws import adapter
from local_aws.behaviours.playing import plays
from local_aws.guesses import Guess, guessed
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.endpoints.shifting import alarm_names, timeout

_ALARM_SECONDS = 0.5


class RollbackError(Exception):
    """The update must not go on; the message is the endpoint's failure reason."""


class AbandonedError(Exception):
    """The endpoint is deleted, or the embedded AWS stops."""


class Guard:
    """Watches over one update, from its first moment on.

    Args:
        context: Shared state.
        config: The DeploymentConfig.
        role_arn: What the endpoint's containers run as, and who looks at the alarms.
        stopping: Set when the update is to be given up.
    """

    def __init__(
        self,
        context: Context,
        config: Mapping[str, Any],
        role_arn: str,
        stopping: threading.Event,
    ) -> None:
        self._context = context
        self._role = adapter.Role(arn=role_arn, session="SageMaker")
        self._names = alarm_names(config)
        self._timeout = timeout(config)
        self._started = time.monotonic()
        self._stopping = stopping
        # Alarms that were in ALARM before, and still are; None until they were looked at.
        self._old: set[str] | None = None

    def check(self) -> None:
        """Look once.

        Raises:
            RollbackError: If an alarm is in ALARM, does not exist, or the time is up.
            AbandonedError: If the update is to be given up.
        """
        if self._stopping.is_set():
            raise AbandonedError
        if self._timeout is not None and time.monotonic() - self._started > self._timeout:
            raise RollbackError(
                f"The deployment did not end within the MaximumExecutionTimeoutInSeconds of "
                f"{self._timeout:g}."
            )
        if self._old is None and (denied := self._denied()) is not None:
            raise RollbackError(guessed(denied, Guess.ALARMS_UNSEEN))
        states = self._states()
        if missing := sorted(set(self._names) - states.keys()):
            # An alarm that watches nothing must not pass for one that is content.
            raise RollbackError(f"One or more alarms do not exist: {', '.join(missing)}")
        firing = sorted(name for name, state in states.items() if state == "ALARM")
        if self._old is None:
            self._old = set(firing) if plays("alarm-before-update", "ignore") else set()
        self._old &= set(firing)
        if firing := [name for name in firing if name not in self._old]:
            raise RollbackError(f"One or more alarms are in ALARM state: {', '.join(firing)}")

    def watch(self, seconds: float) -> None:
        """Look all the time for a while, and at least once.

        Raises:
            RollbackError: As `check` does.
            AbandonedError: As `check` does.
        """
        deadline = time.monotonic() + seconds
        while True:
            self.check()
            left = deadline - time.monotonic()
            if left <= 0:
                return
            self._stopping.wait(min(left, _ALARM_SECONDS))

    def _denied(self) -> str | None:
        """Why the role may not look at the alarms, or None.

        "Ensure that your IAM execution role has permission to perform the cloudwatch:DescribeAlarms
        action on the auto-rollback alarms you specify" (Developer Guide, "Auto-Rollback
        Configuration and Monitoring").
        """
        if not self._names:
            return None
        place = f"arn:aws:cloudwatch:{self._context.region}:{self._context.account}:alarm"
        with adapter.request_scope(self._context.account, self._context.region):
            denials = (
                self._role.denied("cloudwatch:DescribeAlarms", f"{place}:{name}")
                for name in self._names
            )
            return next((each for each in denials if each is not None), None)

    def _states(self) -> dict[str, str]:
        if not self._names:
            return {}
        found = self._context.admin_client("cloudwatch").describe_alarms(
            AlarmNames=self._names, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        alarms = [*found.get("MetricAlarms", ()), *found.get("CompositeAlarms", ())]
        return {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}
