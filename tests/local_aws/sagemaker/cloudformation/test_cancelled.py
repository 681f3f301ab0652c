"""Updates of stacks that a person cancels.

Words and events as AWS has been recorded to give them: the refusal in the clients of several tools
(aws/copilot-cli, internal/pkg/aws/cloudformation), "User Initiated" and "Resource update cancelled"
in logs of deployments.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.sagemaker.cloudformation.test_cloudformation import (  # noqa: F401
    FAST,
    Client,
    deploy,
    endpoint_template,
    outputs,
    serving,
    stack,
)
from tests.local_aws.sagemaker.serving import Serving, unique


def until(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (value := found()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return value


def test_an_endpoints_update_is_cancelled(
    client: Client,
    serving: Serving,  # noqa: F811
    stack: str,  # noqa: F811
) -> None:
    name, cloudformation = unique("cancelled"), client("cloudformation")
    template = endpoint_template(serving, name)
    deploy(client, "create", stack, template, Version="v1")
    before = outputs(client, stack)
    # Long enough for someone to change their mind.
    slow = json.loads(json.dumps(template))
    slow["Resources"]["Endpoint"]["Properties"]["DeploymentConfig"] = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 3},
            "TerminationWaitInSeconds": 3,
        }
    }
    cloudformation.update_stack(
        StackName=stack,
        TemplateBody=json.dumps(slow),
        Parameters=[{"ParameterKey": "Version", "ParameterValue": "v2"}],
    )
    sagemaker = client("sagemaker")
    until(lambda: sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Updating")
    cloudformation.cancel_update_stack(StackName=stack, ClientRequestToken="changed-my-mind")
    until(
        lambda: (
            cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
            == "UPDATE_ROLLBACK_COMPLETE"
        )
    )
    endpoint = sagemaker.describe_endpoint(EndpointName=name)
    assert endpoint["EndpointStatus"] == "InService"
    assert endpoint["EndpointConfigName"] == before["Config"].rpartition("/")[2]
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    (going_back,) = (e for e in events if e["ResourceStatus"] == "UPDATE_ROLLBACK_IN_PROGRESS")
    assert going_back["ResourceStatusReason"] == "User Initiated"
    assert going_back["ClientRequestToken"] == "changed-my-mind"
    (failed,) = (e for e in events if e["ResourceStatus"] == "UPDATE_FAILED")
    assert failed["LogicalResourceId"] == "Endpoint"
    assert failed["ResourceStatusReason"] == "Resource update cancelled"


def test_only_an_update_under_way_can_be_cancelled(client: Client) -> None:
    cloudformation, name = client("cloudformation"), unique("stack")
    template = {"Resources": {"Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}}
    deploy(client, "create", name, template)
    with pytest.raises(ClientError) as error:
        cloudformation.cancel_update_stack(StackName=name)
    assert error.value.response["Error"] == {
        "Type": "Sender",
        "Code": "ValidationError",
        "Message": "CancelUpdateStack cannot be called from current stack status",
    }
    cloudformation.delete_stack(StackName=name)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig=FAST)
    with pytest.raises(ClientError, match=r"Stack \[nowhere\] does not exist"):
        cloudformation.cancel_update_stack(StackName="nowhere")
