"""The subnets and security groups that requests name."""

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import validation


def check(context: Context, request: Any) -> None:
    """Refuse subnets and security groups that there are not, or that are not of one VPC.

    API reference, VpcConfig: "The VPC security group IDs ... Specify the security groups for the
    VPC that is specified in the Subnets field." The text is EC2's; that SageMaker looks when the
    request comes is a guess, the stricter one.

    Raises:
        ServiceError: Naming what is missing.
    """
    for config in _configs(request):
        ec2 = context.admin_client("ec2")
        try:
            subnets = ec2.describe_subnets(SubnetIds=config["Subnets"])["Subnets"]
            groups = ec2.describe_security_groups(GroupIds=config["SecurityGroupIds"])
        except ClientError as error:
            raise validation(f"VpcConfig: {error.response['Error']['Message']}") from error
        networks = {each["VpcId"] for each in (*subnets, *groups["SecurityGroups"])}
        if len(networks) > 1:
            raise validation(f"VpcConfig must be of one VPC, got {', '.join(sorted(networks))}")


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
