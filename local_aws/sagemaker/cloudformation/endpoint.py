"""The handler of AWS::SageMaker::Endpoint, whose updates take long and may be cancelled."""

import time
from typing import Any

from local_aws.adapter.cloudformation import cancellation
from local_aws.behaviours.playing import plays
from local_aws.sagemaker.cloudformation.resources import Properties, Resource

_POLL_SECONDS = 0.1


class Endpoint(Resource):
    """AWS::SageMaker::Endpoint: done when it serves, failed when it does not."""

    def wait(self, name: str) -> None:
        described = self._settled(name)
        if described["EndpointStatus"] != "InService":
            raise ValueError(
                f"Endpoint {name} could not be created: {described.get('FailureReason')}"
            )

    def change(self, name: str, _old: Properties, new: Properties, stack_name: str) -> None:
        wanted = new["EndpointConfigName"]
        if cancellation.is_going_back(stack_name):
            self._settled(name)  # what the update began, if it was cancelled
        described = self.describe(name) or {}
        # A stack's rollback may find the endpoint where it wants it already. An update under way,
        # by whomever, fails this one: CloudFormation does not try again.
        if described.get("EndpointConfigName") != wanted:
            self._api.call("UpdateEndpoint", {**new, "EndpointName": name})
        described = self._settled(name, stack_name)
        went_back = described["EndpointConfigName"] != wanted
        if plays("rolled-back-stack", "done"):  # the handler looks at the status only
            went_back = False
        if went_back or described["EndpointStatus"] != "InService":
            raise ValueError(
                f"Endpoint {name} could not be updated: {described.get('FailureReason')}"
            )

    def _settled(self, name: str, stack_name: str = "") -> dict[str, Any]:
        """The endpoint once nothing is being done to it, or its stack's update is cancelled.

        SageMaker has no operation that ends an update: it goes on when nobody waits for it.
        """
        while True:
            described = self.describe(name)
            if described is None:
                raise ValueError(f"Endpoint {name} must exist, got none; it was deleted meanwhile")
            if described["EndpointStatus"] in {"InService", "Failed"}:
                return described
            if cancellation.is_cancelled(stack_name):
                raise ValueError("Resource update cancelled")
            time.sleep(_POLL_SECONDS)
