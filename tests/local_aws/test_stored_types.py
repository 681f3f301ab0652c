from collections.abc import Callable
from typing import Any

import pytest

from local_aws.stored_types import STORED_TYPES

Client = Callable[[str], Any]
Deploy = Callable[..., dict[str, str]]


def test_a_network_deploys_with_what_other_resources_read(deploy: Deploy) -> None:
    resources = {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
        "Subnet": {
            "Type": "AWS::EC2::Subnet",
            "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.0.0.0/24"},
        },
        "Address": {"Type": "AWS::EC2::EIP", "Properties": {"Domain": "vpc"}},
        "Nat": {
            "Type": "AWS::EC2::NatGateway",
            "Properties": {
                "SubnetId": {"Ref": "Subnet"},
                "AllocationId": {"Fn::GetAtt": ["Address", "AllocationId"]},
            },
        },
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": "endpoints", "VpcId": {"Ref": "Vpc"}},
        },
        "Rule": {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {
                "GroupId": {"Fn::GetAtt": ["Group", "GroupId"]},
                "IpProtocol": "tcp",
                "CidrIp": {"Fn::GetAtt": ["Vpc", "CidrBlock"]},
            },
        },
    }
    outputs = {
        "Cidr": {"Fn::GetAtt": ["Vpc", "CidrBlock"]},
        "Nat": {"Ref": "Nat"},
        "Address": {"Ref": "Address"},
    }
    found = deploy(resources, outputs)
    assert found["Cidr"] == "10.0.0.0/16"
    assert found["Nat"].startswith("nat-")
    assert found["Address"] == "198.51.100.7"


@pytest.mark.parametrize("resource_type", sorted(STORED_TYPES))
def test_a_stored_type_keeps_its_name_through_an_update(
    resource_type: str, deploy: Deploy, client: Client
) -> None:
    name = f"stored-{resource_type.replace('::', '-')}"

    def physical_id(note: str) -> str:
        resource = {"Type": resource_type, "Properties": {"Description": note}}
        deploy({"It": resource}, name=name)
        found = client("cloudformation").describe_stack_resource(
            StackName=name, LogicalResourceId="It"
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    assert physical_id("first") == physical_id("second")


def test_an_unknown_type_is_named(client: Client) -> None:
    template = '{"Resources": {"It": {"Type": "AWS::Fax::Machine"}}}'
    with pytest.raises(client("cloudformation").exceptions.ClientError, match="AWS::Fax::Machine"):
        client("cloudformation").create_stack(StackName="unknown", TemplateBody=template)
