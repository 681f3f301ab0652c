"""Has Auto Scaling act: looks at every target again and again, and changes its capacity."""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.sagemaker.autoscaling import alarms as scaling_alarms
from local_aws.sagemaker.autoscaling import records
from local_aws.sagemaker.autoscaling.decisions import (
    ScalingDecision,
    Situation,
    bounded,
    by_policies,
)
from local_aws.sagemaker.autoscaling.schedules import next_time
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import ServiceError
from local_aws.sagemaker.events import now
from local_aws.settings import SCALING_PERIOD_SECONDS

_LOG = logging.getLogger(__name__)
_TICKS_A_PERIOD = 6
_LONGEST_TICK_SECONDS = 5.0
_SHORTEST_TICK_SECONDS = 0.25
_POLL_SECONDS = 0.1
_SETTLING = frozenset({"Updating", "SystemUpdating", "RollingBack", "Creating"})


class ScalingEngine:
    """Runs in a thread of its own from `start` to `stop`.

    Args:
        context: Shared state.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._readings = scaling_alarms.Readings(context)
        self._stopping = threading.Event()
        self._busy: set[str] = set()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, unless it runs already."""
        if self._stopping.is_set() and self._thread is not None:
            self._thread.join()
        if self._thread is None or not self._thread.is_alive():
            self._stopping.clear()
            self._thread = threading.Thread(target=self._run, name="autoscaling", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End; a change of capacity that has begun goes on."""
        self._stopping.set()

    def _run(self) -> None:
        tick = SCALING_PERIOD_SECONDS / _TICKS_A_PERIOD
        tick = min(_LONGEST_TICK_SECONDS, max(_SHORTEST_TICK_SECONDS, tick))
        while not self._stopping.wait(tick):
            for target in self._context.store.list(records.TARGET):
                try:
                    self._attend(target)
                except (BotoCoreError, ClientError, ServiceError, LookupError):
                    _LOG.warning("%s cannot be scaled", target["ResourceId"], exc_info=True)

    def _attend(self, target: dict[str, Any]) -> None:
        """Look at one target, and have its capacity changed if that is due."""
        target = self._run_schedules(target)
        name = records.key(target)
        current = self._capacity(target)
        if name in self._busy or current is None:
            return
        decision = bounded(target, current)
        if decision is None:
            policies = [self._with_alarms(p) for p in self._policies(name)]
            decision = by_policies(Situation(target, policies, current, now()), self._readings)
        if decision is not None:
            self._busy.add(name)
            arguments = (target, current, decision)
            threading.Thread(target=self._change, args=arguments, daemon=True).start()

    def _policies(self, name: str) -> list[dict[str, Any]]:
        return self._context.store.list(records.POLICY, f"{name}|")

    def _with_alarms(self, policy: dict[str, Any]) -> dict[str, Any]:
        """A policy whose alarms exist: a killed server may have lost them."""
        names = [alarm["AlarmName"] for alarm in policy["Alarms"]]
        if not all(self._readings.exists(name) for name in names):
            scaling_alarms.put(self._context, policy)
        return policy

    def _run_schedules(self, target: dict[str, Any]) -> dict[str, Any]:
        """The target after its scheduled actions that are due."""
        suspended = target.get("SuspendedState", {}).get("ScheduledScalingSuspended", False)
        for action in self._context.store.list(records.ACTION, f"{records.key(target)}|"):
            due, moment = action.get("Next"), now()
            if due is None or due > moment:
                continue
            name = records.key_of_named(action, "ScheduledActionName")
            # Times that passed while nobody looked are one.
            following = _merger({"Next": next_time(action, moment)})
            self._context.store.update(records.ACTION, name, following)
            if not suspended:
                target = self._set_bounds(target, action)
        return target

    def _set_bounds(self, target: dict[str, Any], action: dict[str, Any]) -> dict[str, Any]:
        changed = self._context.store.update(
            records.TARGET, records.key(target), _merger(action["ScalableTargetAction"])
        )
        if changed is None:  # deregistered meanwhile
            return target
        bounds = f"min capacity to {changed['MinCapacity']} and max {changed['MaxCapacity']}"
        activity = records.begin_activity(
            self._context,
            changed,
            f"Setting {bounds}",
            f"scheduled action name {action['ScheduledActionName']} was triggered",
        )
        records.end_activity(self._context, activity, "Successful", f"Successfully set {bounds}")
        return changed

    def _capacity(self, target: Mapping[str, Any]) -> int | None:
        """How many instances the variant shall have now; None while that is being changed."""
        endpoint, variant = records.endpoint_and_variant(target["ResourceId"])
        document = self._context.store.get("endpoint", endpoint)
        if document is None or document["EndpointStatus"] != "InService":
            return None
        deployed = document["Deployed"]
        specs = (*deployed["variants"], *deployed.get("shadows", ()))
        return next((int(spec["count"]) for spec in specs if spec["variant"] == variant), None)

    def _change(self, target: Mapping[str, Any], current: int, decision: ScalingDecision) -> None:
        name = records.key(target)
        try:
            self._set_capacity(target, current, decision)
        except ServiceError as error:
            # An update began first; the next look finds out whether it is still wanted.
            _LOG.info("%s is not scaled now: %s", target["ResourceId"], error)
        except Exception:
            _LOG.exception("%s could not be scaled", target["ResourceId"])
        finally:
            self._busy.discard(name)

    def _set_capacity(
        self, target: Mapping[str, Any], current: int, decision: ScalingDecision
    ) -> None:
        endpoint, variant = records.endpoint_and_variant(target["ResourceId"])
        failed = f"Failed to set desired instance count to {decision.desired}. Reason: "
        refusal = self._refusal(endpoint, variant, decision.desired)
        activity = records.begin_activity(
            self._context,
            target,
            f"Setting desired instance count to {decision.desired}.",
            decision.cause,
        )
        if refusal is not None:
            records.end_activity(self._context, activity, "Failed", failed + refusal)
            # The next look at the alarms is a period later, on AWS as well.
            self._stopping.wait(SCALING_PERIOD_SECONDS)
            return
        document = self._settled(endpoint)
        reached = self._capacity(target)
        if reached == decision.desired:
            text = f"Successfully set desired instance count to {reached}. Change successfully "
            records.end_activity(
                self._context, activity, "Successful", f"{text}fulfilled by sagemaker."
            )
        else:
            reason = document.get("FailureReason", "the endpoint was changed meanwhile")
            records.end_activity(self._context, activity, "Failed", failed + reason)
        member = "LastOut" if decision.desired > current else "LastIn"
        last = {"Time": now(), "From": current}
        self._context.store.update(records.TARGET, records.key(target), _merger({member: last}))

    def _refusal(self, endpoint: str, variant: str, count: int) -> str | None:
        """Ask SageMaker for instances; its words, if the account may have no more, as the
        Developer Guide has them ("Query endpoint auto scaling history").

        Raises:
            ServiceError: If it refuses for another reason.
        """
        desired = {"VariantName": variant, "DesiredInstanceCount": count}
        request = {"EndpointName": endpoint, "DesiredWeightsAndCapacities": [desired]}
        try:
            self._context.call("UpdateEndpointWeightsAndCapacities", request)
        except ServiceError as error:
            if error.code != "ResourceLimitExceeded":
                raise
            return (
                f"{error.message} (Service: AmazonSageMaker; Status Code: {error.status}; "
                f"Error Code: {error.code}; Request ID: {uuid.uuid4()})."
            )
        return None

    def _settled(self, endpoint: str) -> dict[str, Any]:
        while not self._stopping.is_set():
            document = self._context.store.get("endpoint", endpoint)
            if document is None or document["EndpointStatus"] not in _SETTLING:
                return document or {}
            time.sleep(_POLL_SECONDS)
        return {"FailureReason": "the embedded AWS was stopped"}


def _merger(values: Mapping[str, Any]) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document.update(values)

    return change
