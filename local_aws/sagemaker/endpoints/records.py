"""The records of endpoints: their documents in the store, and the events of their changes."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from local_aws.behaviours.playing import plays
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.endpoints import capacity
from local_aws.sagemaker.endpoints.plans import Plan
from local_aws.sagemaker.endpoints.routes import LiveEndpoint
from local_aws.sagemaker.endpoints.stages import Stage, pending_variants
from local_aws.sagemaker.endpoints.views import describe
from local_aws.sagemaker.errors import validation
from local_aws.sagemaker.events import in_millis, now

KIND = "endpoint"
_ANNOUNCED = (
    "EndpointName", "EndpointArn", "EndpointConfigName", "ProductionVariants", "FailureReason",
    "CreationTime", "LastModifiedTime",
)  # fmt: skip


class EndpointRecords:
    """Endpoints in the store; every change of one is an event.

    Args:
        context: Shared state.
        live: The servers of those that have any, by name.
    """

    def __init__(self, context: Context, live: Mapping[str, LiveEndpoint]) -> None:
        self._context = context
        self._live = live

    def find(self, name: str) -> dict[str, Any]:
        """An endpoint's document.

        Raises:
            ServiceError: If there is none.
        """
        endpoint = self._context.store.get(KIND, name)
        if endpoint is None:
            raise validation(f'Could not find endpoint "{self._context.arn(KIND, name)}".')
        return endpoint

    def create(self, endpoint: dict[str, Any], plan: Plan) -> None:
        """Keep a new endpoint, whose instances are being launched.

        Raises:
            ServiceError: If there is one of its name, or no room for its instances.
        """
        name, wanted = endpoint["EndpointName"], capacity.of(plan.specs)
        with self._context.store.transaction():
            capacity.admit(self._context, wanted, wanted.total())
            if not self._context.store.add(KIND, name, endpoint | {"Adding": dict(wanted)}):
                arn = endpoint["EndpointArn"]
                raise validation(f'Cannot create already existing endpoint "{arn}".')

    def begin_update(
        self, name: str, plan: Plan, wanted: Counter[str], **members: Any
    ) -> dict[str, Any]:
        """Mark an endpoint as Updating; the document as it was.

        Args:
            name: The endpoint.
            plan: What it shall serve.
            wanted: The instances that are launched beside those that it has, by type.
            members: What else changes in its document.

        Raises:
            ServiceError: If something else is being done to it, or there is no room for them.
        """
        with self._context.store.transaction():
            endpoint = self.find(name)
            status = endpoint["EndpointStatus"]
            if status == "Failed":
                raise validation(f'Cannot update failed endpoint "{endpoint["EndpointArn"]}".')
            if status != "InService":
                in_progress = plays("update-under-way", "in-progress")
                what = "Cannot update in-progress endpoint" if in_progress else "Busy endpoint"
                raise validation(f'{what} "{endpoint["EndpointArn"]}".')
            capacity.admit(self._context, wanted, capacity.of(plan.specs).total())
            members |= {"EndpointStatus": "Updating", "Adding": dict(wanted)}
            self.change(name, announce=False, FailureReason=None, **members)
        self.announce(self.find(name))
        return endpoint

    def begin_deletion(self, name: str) -> None:
        """Mark an endpoint as Deleting.

        Raises:
            ServiceError: If something is being done to it: DeleteEndpoint answers "Cannot update
                in-progress endpoint" then (amazon-sagemaker-operator-for-k8s, clientwrapper).
        """
        with self._context.store.transaction():
            endpoint = self.find(name)
            if endpoint["EndpointStatus"] not in {"InService", "Failed"}:
                raise validation(f'Cannot update in-progress endpoint "{endpoint["EndpointArn"]}".')
            self.change(name, EndpointStatus="Deleting")

    def settle(self, name: str, **members: Any) -> None:
        """Change an endpoint's document once nothing is being done to it any more."""
        self.change(name, Adding=None, Pending=None, **members)

    def change(self, name: str, *, announce: bool = True, **members: Any) -> None:
        """Change an endpoint's document; None removes a member."""

        def change(document: dict[str, Any]) -> None:
            document.update(members, LastModifiedTime=now())
            for member in [key for key, value in document.items() if value is None]:
                del document[member]

        endpoint = self._context.store.update(KIND, name, change)
        if endpoint is not None and announce:
            self.announce(endpoint)

    def stage(self, name: str, plan: Plan, stage: Stage) -> None:
        """Tell how far an update is; the creation of an endpoint has no stages to tell of."""
        variants = pending_variants(plan, stage)

        def change(document: dict[str, Any]) -> None:
            if "Pending" in document:
                document["Pending"]["ProductionVariants"] = variants

        endpoint = self._context.store.update(KIND, name, change)
        if endpoint is None or "Pending" not in endpoint:
            return
        described = describe(endpoint, self._live.get(name))
        summary = in_millis(described["PendingDeploymentSummary"])
        for variant in summary["ProductionVariants"]:
            variant["VariantStatus"] = [in_millis(item) for item in variant["VariantStatus"]]
        detail = _detail(described) | {"PendingDeploymentSummary": summary}
        self._context.emit_event(
            "SageMaker Endpoint Deployment State Change", detail, [endpoint["EndpointArn"]]
        )

    def announce(self, endpoint: Mapping[str, Any]) -> None:
        """Put `SageMaker Endpoint State Change` on the bus."""
        described = describe(endpoint, self._live.get(endpoint["EndpointName"]))
        self._context.emit_event(
            "SageMaker Endpoint State Change", _detail(described), [endpoint["EndpointArn"]]
        )


def _detail(described: Mapping[str, Any]) -> dict[str, Any]:
    """What both events of an endpoint say of it."""
    status = "".join(f"_{c}" if c.isupper() else c for c in described["EndpointStatus"])
    detail = in_millis({key: described[key] for key in _ANNOUNCED if key in described})
    return detail | {"EndpointStatus": status.lstrip("_").upper(), "Tags": {}}
