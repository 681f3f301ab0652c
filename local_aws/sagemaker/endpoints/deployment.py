"""Deployments of an endpoint: new servers beside the old ones, then the traffic moved over.

Traffic moves by replacing the endpoint's routes in one assignment, so each request meets either
the old servers or the new ones, and both are up.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local_aws.sagemaker.context import Context
from local_aws.sagemaker.endpoints import routes, shifting, stages
from local_aws.sagemaker.endpoints.capture import Capture, enabled
from local_aws.sagemaker.endpoints.guard import AbandonedError, Guard, RollbackError
from local_aws.sagemaker.endpoints.plans import Plan
from local_aws.sagemaker.endpoints.routes import LiveEndpoint, Route
from local_aws.sagemaker.endpoints.serverless import make_fleet
from local_aws.sagemaker.endpoints.servers import FleetSpec


class Deployment:
    """One attempt to have an endpoint serve a plan.

    Args:
        context: Shared state.
        live: The endpoint as the balancer sees it.
        plan: What it shall serve.
        config: The DeploymentConfig; without one all traffic moves at once.
        report: Called with every stage of it.
    """

    def __init__(
        self,
        context: Context,
        live: LiveEndpoint,
        plan: Plan,
        config: dict[str, Any],
        report: stages.Report,
    ) -> None:
        self._context = context
        self._live = live
        self._plan = plan
        self._config = config
        self._report = report
        self._fleets = {spec.variant: make_fleet(context, spec) for spec in plan.specs}
        self._stopping = threading.Event()
        role = plan.variants[0].container.role_arn
        self._guard = Guard(context, config, role, self._stopping)

    def start(self) -> None:
        """Bring the new servers up.

        Raises:
            RollbackError: If an alarm is in ALARM before anything has been changed.
            ServerError: If a server does not come up; none of the new ones runs then.
        """
        try:
            self._guard.check()
        except (AbandonedError, RollbackError):
            self.stop()  # the fleets have folders already
            raise
        self._report(stages.LAUNCHING)
        with ThreadPoolExecutor(len(self._fleets)) as pool:
            starts = [pool.submit(fleet.start) for fleet in self._fleets.values()]
        failures = [error for start in starts if (error := start.exception()) is not None]
        if failures:
            self.stop()
            raise failures[0]

    def shift(self, on_rollback: Callable[[], None]) -> None:
        """Move the traffic over, watching the alarms, and stop the old servers.

        Args:
            on_rollback: Called when the old servers have all traffic again, before the new ones
                are stopped.

        Raises:
            RollbackError: If an alarm fires or time runs out.
            AbandonedError: If it is given up.
        """
        live = self._live
        old, new = live.routes, self._routes(self._plan.variants)
        old_shadows, new_shadows = live.shadows, self._shadows()
        instances = max(spec.count for spec in self._plan.variants)
        try:
            for step in shifting.steps(self._config, instances):
                self._report(stages.activating(step))
                live.routes = shifting.mixed(old, new, step)
                live.shadows = new_shadows
                self._report(stages.baking(step))
                self._guard.watch(step.seconds)
        except AbandonedError:
            routes.close_captures((*new, *new_shadows))
            raise
        except Exception:
            # Whatever it was, the old servers are there and known to be good.
            live.routes, live.shadows = old, old_shadows
            on_rollback()
            routes.retire((*new, *new_shadows))
            raise
        routes.retire((*old, *old_shadows))

    def stop(self) -> None:
        """Give up, at whatever point it is."""
        self._stopping.set()
        for fleet in self._fleets.values():
            fleet.stop()

    def _routes(self, specs: Sequence[FleetSpec]) -> tuple[Route, ...]:
        weights = self._plan.weights
        return tuple(
            Route(self._fleets[spec.variant], weights[spec.variant], self._capture(spec))
            for spec in specs
        )

    def _shadows(self) -> tuple[Route, ...]:
        return tuple(
            Route(
                self._fleets[spec.variant],
                self._plan.shadow_share(spec.variant),
                self._capture(spec),
            )
            for spec in self._plan.shadows
        )

    def _capture(self, spec: FleetSpec) -> Capture | None:
        config = self._plan.capture
        if config is None or not enabled(config):
            return None
        role = spec.container.role_arn
        return Capture(self._context, config, self._live.name, spec.variant, role)
