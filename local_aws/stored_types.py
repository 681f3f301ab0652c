"""Resource types that are kept with their properties and do nothing else.

A stack that holds them deploys; what they would do on AWS (route packets, write a trail) has no
counterpart here.
"""

import hashlib
from typing import Any

from local_aws import adapter
from local_aws.adapter import stacks

# Type to the attributes that Fn::GetAtt answers; the first is also what Ref gives.
STORED_TYPES: dict[str, dict[str, str]] = {
    "AWS::Athena::NamedQuery": {"NamedQueryId": "{id}"},
    "AWS::Budgets::Budget": {},
    "AWS::CloudTrail::Trail": {
        "Name": "{name}",
        "Arn": "arn:aws:cloudtrail:{region}:{account}:trail/{name}",
    },
    "AWS::CodePipeline::Pipeline": {"Name": "{name}", "Version": "1"},
    "AWS::EC2::EIP": {"PublicIp": "198.51.100.7", "AllocationId": "eipalloc-{id}"},
    "AWS::EC2::FlowLog": {"Id": "fl-{id}"},
    "AWS::EC2::NatGateway": {"NatGatewayId": "nat-{id}"},
    "AWS::EC2::SecurityGroupEgress": {"Id": "sgr-{id}"},
    "AWS::EC2::SecurityGroupIngress": {"Id": "sgr-{id}"},
    "AWS::Glue::SecurityConfiguration": {},
    "AWS::Glue::Workflow": {},
    "AWS::LakeFormation::Resource": {"Id": "{id}"},
    "AWS::Logs::QueryDefinition": {"QueryDefinitionId": "{id}"},
}


def install() -> None:
    """Register the types that ministack does not have, and complete AWS::EC2::VPC's attributes."""
    known = adapter.resource_types()
    for resource_type, attributes in STORED_TYPES.items():
        if resource_type not in known:
            _register(resource_type, attributes)
    stacks.add_attributes(
        "AWS::EC2::VPC",
        lambda props: {
            "CidrBlock": props.get("CidrBlock", ""),
            "CidrBlockAssociations": [],
            "Ipv6CidrBlocks": [],
        },
    )


def _register(resource_type: str, attributes: dict[str, str]) -> None:
    def create(logical_id: str, _props: dict[str, Any], stack_name: str) -> stacks.Provisioned:
        name = adapter.physical_name(stack_name, logical_id)
        values = {
            "id": hashlib.sha256(f"{stack_name}/{logical_id}".encode()).hexdigest()[:17],
            "region": adapter.current_region(),
            "account": adapter.current_account(),
            "name": name,
        }
        answered = {key: template.format(**values) for key, template in attributes.items()}
        return next(iter(answered.values()), name), answered

    adapter.register_resource(
        resource_type, create=create, delete=lambda _physical_id, _props: None
    )
