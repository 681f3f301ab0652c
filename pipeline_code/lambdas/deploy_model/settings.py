"""The settings of the function, from its environment."""

from dataclasses import dataclass
from datetime import timedelta

from pipeline_code.contracts.environment import variable

__all__ = ["DeploymentSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSettings:
    """Names of what is deployed, and what a package has to fit; variables are in capitals.

    Attributes:
        queue_url: Where the events wait.
        stack_name: The stack that holds the endpoint.
        stack_role_arn: The role by which the stack is updated.
        endpoint_name: The endpoint.
        model_package_group_name: The group whose approvals count.
        approved_parameter: SSM parameter that the stack reads, which spells the approved package.
        first_pause: After a failure that is not the package's; later ones are longer.
        challenger_parameter: SSM parameter that the stack reads, of what is in the shadow; empty
            if it reads none.
        state_parameter: SSM parameter that says what became of the last deployment.
        artifacts_bucket: Where packages' baselines are, and where monitors expect them.
        metric_namespace: Where failed deployments are counted.
        image_repository: URI of the repository that packages' images must be of.
        feature_schema_versions: Those whose feature groups there are for the endpoint to read.
        capture_contract: By which the monitor and the parity audit read what is captured.
    """

    queue_url: str
    stack_name: str
    stack_role_arn: str
    endpoint_name: str
    model_package_group_name: str
    approved_parameter: str
    state_parameter: str
    artifacts_bucket: str
    metric_namespace: str
    image_repository: str
    feature_schema_versions: frozenset[str]
    capture_contract: str
    first_pause: timedelta = variable("FIRST_PAUSE_SECONDS", least=0, scale=timedelta(seconds=1))
    challenger_parameter: str = ""
