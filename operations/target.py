"""The target of a verb: an environment in an AWS account, or the embedded AWS."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from operations.errors import OperationError
from pipeline_code.contracts.resources import Stage, resource_name

if TYPE_CHECKING:
    import boto3

PROJECT_ROOT = Path(__file__).resolve().parent.parent
STATE_ROOT = PROJECT_ROOT / ".fraudloop"
DEFAULT_STATE = STATE_ROOT / "local"


@dataclass(frozen=True)
class Target:
    """One deployed environment and the credentials to reach it.

    Args:
        environment: Name of the environment, one of `stacks.environments`.
        session: Credentials and region; made by `connect`.
        variables: What a child process (the CDK CLI) needs to reach the same place.
        reports: Where pages that are fetched of it go.
        is_embedded: Whether it is the embedded AWS, and no account.
    """

    environment: str
    session: boto3.Session
    variables: dict[str, str] = field(repr=False)
    reports: Path = STATE_ROOT / "reports"
    is_embedded: bool = False

    def client(self, service: str) -> Any:
        """The boto3 client of a service with standard retries, the same for every caller."""
        if service not in self._clients:
            from botocore.config import Config

            retries = {"mode": "standard", "max_attempts": 5}
            config = Config(retries=retries, max_pool_connections=32)
            self._clients[service] = self.session.client(service, config=config)
        return self._clients[service]

    @cached_property
    def _clients(self) -> dict[str, Any]:
        # To make one takes as long as ten calls on a laptop.
        return {}

    @cached_property
    def account(self) -> str:
        """The account that the credentials are of; the first call says whether they are any."""
        account: str = self.client("sts").get_caller_identity()["Account"]
        return account

    def stack_name(self, stage: str) -> str:
        """The CloudFormation stack of a stage, such as `fraudloop-local-serving`."""
        return resource_name(self.environment, stage)

    @cached_property
    def outputs(self) -> dict[str, str]:
        """Every output of the environment's stacks, by key.

        Raises:
            OperationError: If the environment is not deployed.
        """
        from botocore.exceptions import ClientError

        cloudformation, found = self.client("cloudformation"), {}
        for stage in Stage:
            try:
                stack = cloudformation.describe_stacks(StackName=self.stack_name(stage))["Stacks"][
                    0
                ]
            except ClientError as error:
                if "does not exist" not in str(error):
                    raise
                continue
            for output in stack.get("Outputs", []):
                found[output["OutputKey"]] = output["OutputValue"]
        if not found:
            raise OperationError(
                f"environment must be deployed, got no stack of {self.environment!r} in "
                f"{self.session.region_name}; run `fraudloop deploy` first, or give the --profile "
                "and --region where it is deployed"
            )
        return found

    def output(self, key: str) -> str:
        """One stack output.

        Raises:
            OperationError: If no deployed stack has it.
        """
        try:
            return self.outputs[key]
        except KeyError:
            raise OperationError(
                f"stack output {key} must exist, got only {', '.join(sorted(self.outputs))}; "
                "run `fraudloop deploy` to bring the stacks up to date"
            ) from None


def connect(
    environment: str,
    *,
    profile: str | None,
    region: str | None,
    state: Path,
    embedded: bool = False,
) -> Target:
    """The target of a verb: the running embedded AWS or, unless it is for `local`, an AWS account.

    Raises:
        EmbeddedAwsError: If the embedded AWS is not running.
        OperationError: If no region is known, or there are no credentials.
    """
    if embedded or environment == "local":
        from local_aws.server import EmbeddedAws

        aws = EmbeddedAws(state)
        return Target(
            environment, aws.session(), aws.environment(), state / "reports", is_embedded=True
        )
    import boto3
    from botocore.utils import validate_region_name

    session = boto3.Session(profile_name=profile, region_name=region)
    if session.region_name is None:
        raise OperationError(
            "region must be known, got none; give --region or set it in the profile"
        )
    validate_region_name(session.region_name)
    if session.get_credentials() is None:
        raise OperationError(
            "Unable to locate credentials; give a --profile that has some, or set AWS_PROFILE: "
            "`aws configure list-profiles` names those there are"
        )
    variables = {**os.environ, "AWS_REGION": session.region_name}
    if profile is not None:
        variables["AWS_PROFILE"] = profile
    return Target(environment, session, variables)
