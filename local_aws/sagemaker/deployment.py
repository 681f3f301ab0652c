"""Deployments of an endpoint: new servers beside the old ones, then the traffic moved over.

Traffic moves by replacing the endpoint's routes in one assignment, so each request meets either
the old servers or the new ones, and both are up.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from local_aws.sagemaker.balancer import LiveEndpoint, Route
from local_aws.sagemaker.capture import Capture
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.fleets import Fleet
from local_aws.sagemaker.plans import Plan
from local_aws.sagemaker.servers import FleetSpec

_ALARM_SECONDS = 0.5
_WHOLE = 100.0


class RollbackError(Exception):
    """An alarm fired while traffic moved; the message is the endpoint's failure reason."""


class Deployment:
    """One attempt to have an endpoint serve a plan.

    Args:
        context: Shared state.
        live: The endpoint as the balancer sees it.
        plan: What it shall serve.
        config: The DeploymentConfig; without one all traffic moves at once.
    """

    def __init__(
        self, context: Context, live: LiveEndpoint, plan: Plan, config: dict[str, Any]
    ) -> None:
        self._context = context
        self._live = live
        self._plan = plan
        self._config = config
        self._fleets = [Fleet(context, spec) for spec in plan.variants]
        self._stopping = threading.Event()

    def start(self) -> None:
        """Bring the new servers up.

        Raises:
            ServerError: If one does not come up; none of the new ones runs then.
        """
        with ThreadPoolExecutor(len(self._fleets)) as pool:
            starts = [pool.submit(fleet.start) for fleet in self._fleets]
        failures = [error for start in starts if (error := start.exception()) is not None]
        if failures:
            self.stop()
            raise failures[0]

    def shift(self) -> None:
        """Move the traffic over, watching the alarms, and stop the old servers.

        Raises:
            RollbackError: If an alarm fires; the old servers have all traffic again then.
        """
        old, new = self._live.routes, self._routes()
        try:
            for percent, seconds in _steps(self._config):
                self._live.routes = _mixed(old, new, percent)
                self._bake(seconds)
        except RollbackError:
            self._live.routes = old
            _retire(new)
            raise
        _retire(old)

    def stop(self) -> None:
        """Give up, at whatever point it is."""
        self._stopping.set()
        for fleet in self._fleets:
            fleet.stop()

    def _routes(self) -> tuple[Route, ...]:
        return tuple(
            Route(fleet, self._plan.weights[fleet.spec.variant], self._capture(fleet.spec))
            for fleet in self._fleets
        )

    def _capture(self, spec: FleetSpec) -> Capture | None:
        config = self._plan.capture
        if config is None or not config.get("EnableCapture", False):
            return None
        role = spec.container.role_arn
        return Capture(self._context, config, self._live.name, spec.variant, role)

    def _bake(self, seconds: float) -> None:
        """Watch the alarms for a while, and at least once."""
        names = [
            alarm["AlarmName"]
            for alarm in self._config.get("AutoRollbackConfiguration", {}).get("Alarms", ())
        ]
        deadline = time.monotonic() + seconds
        while True:
            if firing := self._firing(names):
                raise RollbackError(f"One or more alarms are in ALARM state: {', '.join(firing)}")
            left = deadline - time.monotonic()
            if left <= 0 or self._stopping.wait(min(left, _ALARM_SECONDS)):
                return

    def _firing(self, names: Sequence[str]) -> list[str]:
        if not names:
            return []
        client = self._context.admin_session().client("cloudwatch")
        found = client.describe_alarms(
            AlarmNames=list(names), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        alarms = [*found.get("MetricAlarms", ()), *found.get("CompositeAlarms", ())]
        return sorted(a["AlarmName"] for a in alarms if a["StateValue"] == "ALARM")


def _steps(config: dict[str, Any]) -> Iterator[tuple[float, float]]:
    """(percentage on the new servers, seconds to watch it) one after another."""
    blue_green = config.get("BlueGreenUpdatePolicy")
    if blue_green is not None:
        routing = blue_green["TrafficRoutingConfiguration"]
        wait = float(routing["WaitIntervalInSeconds"])
        last = float(blue_green.get("TerminationWaitInSeconds", 0))
        if routing["Type"] == "CANARY":
            yield _percent(routing["CanarySize"]), wait
        elif routing["Type"] == "LINEAR":
            yield from _ladder(_percent(routing["LinearStepSize"]), wait)
        yield _WHOLE, wait + last
        return
    rolling = config.get("RollingUpdatePolicy")
    if rolling is not None:
        wait = float(rolling["WaitIntervalInSeconds"])
        yield from _ladder(_percent(rolling["MaximumBatchSize"]), wait)
        yield _WHOLE, wait
        return
    yield _WHOLE, 0.0


def _ladder(step: float, wait: float) -> Iterator[tuple[float, float]]:
    percent = step
    while percent < _WHOLE:
        yield percent, wait
        percent += step


def _percent(size: dict[str, Any]) -> float:
    # Instances are processes of one machine here: a count of them says nothing about capacity.
    return float(size["Value"]) if size["Type"] == "CAPACITY_PERCENT" else 50.0


def _mixed(old: Sequence[Route], new: Sequence[Route], percent: float) -> tuple[Route, ...]:
    if not old or percent >= _WHOLE:
        return tuple(new)
    return tuple(
        replace(route, weight=route.weight / (_sum(routes) or 1.0) * share)
        for routes, share in ((old, _WHOLE - percent), (new, percent))
        for route in routes
    )


def _sum(routes: Sequence[Route]) -> float:
    return sum(route.weight for route in routes)


def _retire(routes: Sequence[Route]) -> None:
    for route in routes:
        route.fleet.retire()
        if route.capture is not None:
            route.capture.close()


def stop_routes(live: LiveEndpoint, grace_seconds: float) -> None:
    """Stop all servers of an endpoint that goes away."""
    routes, live.routes = live.routes, ()
    for route in routes:
        route.fleet.stop(grace_seconds)
        if route.capture is not None:
            route.capture.close()
