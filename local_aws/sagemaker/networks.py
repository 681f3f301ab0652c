"""The subnets and security groups that requests name."""

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from local_aws.behaviours.playing import plays
from local_aws.guesses import Guess, guessed
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import validation


def check(context: Context, request: Any) -> None:
    """Refuse subnets and security groups that there are not, or that are not of one VPC.

    API reference, VpcConfig: "The VPC security group IDs ... Specify the security groups for the
    VPC that is specified in the Subnets field." The text is EC2's.

    Raises:
        ServiceError: Naming what is missing.
    """
    for config in _configs(request) if plays("network-at-once", "at-once") else ():
        ec2 = context.admin_client("ec2")
        try:
            subnets = ec2.describe_subnets(SubnetIds=config["Subnets"])["Subnets"]
            groups = ec2.describe_security_groups(GroupIds=config["SecurityGroupIds"])
        except ClientError as error:
            words = f"VpcConfig: {error.response['Error']['Message']}"
            raise validation(guessed(words, Guess.NETWORK_AT_ONCE)) from error
        networks = {each["VpcId"] for each in (*subnets, *groups["SecurityGroups"])}
        if len(networks) > 1:
            words = f"VpcConfig must be of one VPC, got {', '.join(sorted(networks))}"
            raise validation(guessed(words, Guess.NETWORK_AT_ONCE))


def _configs(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            if name == "VpcConfig":
                yield member
            else:
                yield from _configs(member)
    elif isinstance(value, list):
        for member in value:
            yield from _configs(member)
