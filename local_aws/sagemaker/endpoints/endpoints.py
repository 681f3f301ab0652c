"""Endpoints: created, updated and deleted in the background, and invoked.

configs.py      what an endpoint shall serve
deployment.py   how it comes to serve it
servers.py      the processes that do
balancer.py     invocations on their way to them
capture.py      what is kept of them
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from local_aws.behaviours.playing import plays
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.endpoints import capacity, routes, shifting
from local_aws.sagemaker.endpoints.balancer import Balancer, refused
from local_aws.sagemaker.endpoints.configs import EndpointConfigs, find_config
from local_aws.sagemaker.endpoints.deployment import Deployment
from local_aws.sagemaker.endpoints.guard import AbandonedError, RollbackError
from local_aws.sagemaker.endpoints.metrics import InvocationMetrics
from local_aws.sagemaker.endpoints.plans import Plan, desired, make_plan, retained
from local_aws.sagemaker.endpoints.records import KIND, EndpointRecords
from local_aws.sagemaker.endpoints.routes import LiveEndpoint
from local_aws.sagemaker.endpoints.samples import Sampler
from local_aws.sagemaker.endpoints.servers import GRACE_SECONDS, ServerError
from local_aws.sagemaker.endpoints.views import describe, summary
from local_aws.sagemaker.errors import ServiceError
from local_aws.sagemaker.events import now
from local_aws.sagemaker.queries import page, select
from local_aws.sagemaker.recovery import wait_until_served
from local_aws.sagemaker.volumes import check_volume

_LOG = logging.getLogger(__name__)
_SERVING = frozenset({"InService", "Updating", "SystemUpdating", "RollingBack"})
_NOTHING: dict[str, Any] = {"config_name": "", "capture": None, "variants": [], "weights": {}}
_GIVEN_UP = "The embedded AWS was stopped during the update, which was given up."
# Longer than an answer takes, shorter than the embedded AWS has until it is killed.
_SHUTDOWN_DRAIN_SECONDS = 5.0


class Endpoints(EndpointConfigs):
    """CreateEndpoint and its siblings, and InvokeEndpoint."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._live: dict[str, LiveEndpoint] = {}
        self._records = EndpointRecords(context, self._live)
        self._deployments: dict[str, Deployment] = {}
        self._balancer = Balancer(context, InvocationMetrics(context))
        self._sampler = Sampler(context, self._live)
        self._stopped = False

    def recover(self) -> None:
        """Have the endpoints of the last run serve again."""
        self._stopped = False
        for endpoint in self._context.store.list(KIND):
            name, status = endpoint["EndpointName"], endpoint["EndpointStatus"]
            if status == "Deleting":
                self._context.store.delete(KIND, name)
            elif "Deployed" not in endpoint:
                reason = "The embedded AWS was stopped while the endpoint was created."
                self._records.settle(name, EndpointStatus="Failed", FailureReason=reason)
            elif status in _SERVING:
                self._live[name] = LiveEndpoint(name, returning=True)
                lost: dict[str, Any] = {"FailureReason": _GIVEN_UP} if "Pending" in endpoint else {}
                self._records.settle(name, EndpointStatus="SystemUpdating", **lost)
                self._start(name, Plan.parse(endpoint["Deployed"]), {})

    def stop_requested(self) -> None:
        """Stop all servers, while S3 takes what is captured; the endpoints stay InService."""
        self._stopped = True
        for deployment in list(self._deployments.values()):
            deployment.stop()
        threads = [
            threading.Thread(target=routes.finish, args=(live, _SHUTDOWN_DRAIN_SECONDS))
            for live in self._live.values()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._live.clear()

    def create_endpoint(self, request: dict[str, Any]) -> dict[str, Any]:
        """Make an endpoint; it is `Creating` until its servers are healthy."""
        name = request["EndpointName"]
        config = find_config(self._context, request["EndpointConfigName"])
        check_volume(config.get("KmsKeyId"))
        arn = self._context.arn(KIND, name)
        plan = make_plan(self._context, name, config)
        endpoint = {
            "EndpointName": name,
            "EndpointArn": arn,
            "EndpointConfigName": plan.config_name,
            "EndpointStatus": "Creating",
            "CreationTime": now(),
            "LastModifiedTime": now(),
        }
        if "DeploymentConfig" in request:
            endpoint["LastDeploymentConfig"] = request["DeploymentConfig"]
        self._records.create(endpoint, plan)
        self._stopped = False
        self._live[name] = LiveEndpoint(name)
        self._records.announce(endpoint)
        self._start(name, plan, {})
        return {"EndpointArn": arn}

    def update_endpoint(self, request: dict[str, Any]) -> dict[str, Any]:
        """Have an endpoint serve another configuration, blue/green, without an outage."""
        name = request["EndpointName"]
        config = find_config(self._context, request["EndpointConfigName"])
        check_volume(config.get("KmsKeyId"))
        endpoint = self._records.find(name)
        deployed = endpoint.get("Deployed")
        plan = retained(make_plan(self._context, name, config), deployed, request)
        deployment = request.get("DeploymentConfig", {})
        if request.get("RetainDeploymentConfig"):
            deployment = endpoint.get("LastDeploymentConfig", {})
        old = None if deployed is None else Plan.parse(deployed)
        if old is not None:
            shifting.check(deployment, old, plan)
        pending = {"EndpointConfigName": config["EndpointConfigName"], "StartTime": now()}
        kept = {"Pending": pending, "LastDeploymentConfig": deployment or None}
        self._records.begin_update(name, plan, capacity.beside(old, plan, deployment), **kept)
        self._start(name, plan, deployment)
        return {"EndpointArn": endpoint["EndpointArn"]}

    def update_endpoint_weights_and_capacities(self, request: dict[str, Any]) -> dict[str, Any]:
        """Change shares of traffic and numbers of servers."""
        name = request["EndpointName"]
        plan = Plan.parse(self._records.find(name).get("Deployed", _NOTHING))
        changed = desired(plan, request["DesiredWeightsAndCapacities"])
        endpoint = self._records.begin_update(name, changed, capacity.added(plan, changed))
        self._run(name, "scale", lambda: self._scale(name, plan, changed))
        return {"EndpointArn": endpoint["EndpointArn"]}

    def describe_endpoint(self, request: dict[str, Any]) -> dict[str, Any]:
        """All about an endpoint, with its servers as they are now."""
        name = request["EndpointName"]
        return describe(self._records.find(name), self._live.get(name))

    def list_endpoints(self, request: dict[str, Any]) -> dict[str, Any]:
        """Summaries of endpoints."""
        found = select(
            self._context.store.list(KIND), request, name="EndpointName", status="EndpointStatus"
        )
        return page(found, request, "Endpoints", summary)

    def delete_endpoint(self, request: dict[str, Any]) -> dict[str, Any]:
        """Stop an endpoint's servers, a deployment under way included, and forget it."""
        name = request["EndpointName"]
        self._records.begin_deletion(name)
        deployment = self._deployments.get(name)

        def work() -> None:
            if deployment is not None:
                deployment.stop()
            live = self._live.pop(name, None)
            if live is not None:
                routes.stop(live, GRACE_SECONDS)
            self._context.store.delete(KIND, name)

        self._run(name, "delete", work)
        return {}

    async def invoke_endpoint(self, request: dict[str, Any]) -> dict[str, Any]:
        """Serve a request by the endpoint's servers."""
        name = request["EndpointName"]
        live = self._live.get(name)
        if self._stopped:
            raise ServiceError("ServiceUnavailable", "The embedded AWS is being stopped.", 503)
        if live is None:
            raise refused(f"Endpoint {name} of account {self._context.account} not found.")
        if not live.routes and not live.returning:
            status = self._records.find(name)["EndpointStatus"]
            raise refused(
                f"Endpoint {name} of account {self._context.account} is not in service, its "
                f"status is {status}."
            )
        return await self._balancer.invoke(live, request)

    def _start(self, name: str, plan: Plan, config: dict[str, Any]) -> None:
        self._sampler.start()
        self._run(name, "deploy", lambda: self._deploy(name, plan, config))

    def _run(self, name: str, what: str, work: Callable[[], None]) -> None:
        threading.Thread(target=work, name=f"{what}-{name}", daemon=True).start()

    def _deploy(self, name: str, plan: Plan, config: dict[str, Any]) -> None:
        live = self._live.get(name)
        if live is None:  # deleted meanwhile
            return
        if live.returning:
            wait_until_served(self._context.endpoint_url)
        try:
            for spec in plan.specs:
                self._context.check_role(spec.container.role_arn, self._context.arn(KIND, name))
            deployment = self._deployments[name] = Deployment(
                self._context, live, plan, config, partial(self._records.stage, name, plan)
            )
            deployment.start()
            deployment.shift(lambda: self._records.change(name, EndpointStatus="RollingBack"))
        except AbandonedError:
            return
        except (ServerError, RollbackError, ServiceError) as error:
            self._fail(name, live, str(error))
        except Exception as error:
            _LOG.exception("the deployment of %s failed", name)
            self._fail(name, live, f"InternalServerError: {error!r}")
        else:
            self._records.settle(
                name,
                EndpointStatus="InService",
                EndpointConfigName=plan.config_name,
                Deployed=plan.document(),
            )
        finally:
            live.returning = False
            self._deployments.pop(name, None)

    def _fail(self, name: str, live: LiveEndpoint, reason: str) -> None:
        status = "InService" if live.routes else "Failed"
        told = None if live.routes and plays("rolled-back-endpoint", "silent") else reason
        if not self._stopped:
            self._records.settle(name, EndpointStatus=status, FailureReason=told)

    def _scale(self, name: str, plan: Plan, changed: Plan) -> None:
        live = self._live[name]
        outcome: dict[str, Any] = {"FailureReason": None}
        counts = {spec.variant: spec.count for spec in changed.specs}
        try:
            for route in (*live.routes, *live.shadows):
                if route.fleet.spec.serverless is None:
                    route.fleet.resize(counts[route.fleet.spec.variant])
            live.routes = tuple(
                replace(route, weight=changed.weights[route.fleet.spec.variant])
                for route in live.routes
            )
            live.shadows = tuple(
                replace(route, weight=changed.shadow_share(route.fleet.spec.variant))
                for route in live.shadows
            )
        except ServerError as error:
            changed, outcome = plan, {"FailureReason": str(error)}
        self._records.settle(
            name, EndpointStatus="InService", Deployed=changed.document(), **outcome
        )
