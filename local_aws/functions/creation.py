"""Lambda's checks of a function's role and creator before the function is made."""

from collections.abc import Iterator, Mapping
from typing import Any

from local_aws import adapter
from local_aws.adapter.creations import (
    ACCESS_DENIED,
    CreationRefusal,
    CreationRequest,
    check_requests,
    check_templates,
)
from local_aws.adapter.functions import mappings

# What is called at a destination, and how refusals name it.
CALLS = {
    "events": ("events:PutEvents", "PutEvents on EventBridge"),
    "lambda": ("lambda:InvokeFunction", "InvokeFunction on Lambda"),
    "s3": ("s3:PutObject", "PutObject on S3"),
    "sns": ("sns:Publish", "Publish on SNS"),
    "sqs": ("sqs:SendMessage", "SendMessage on SQS"),
}
_NETWORK = (
    *("CreateNetworkInterface", "DescribeNetworkInterfaces", "DescribeSubnets"),
    *("DeleteNetworkInterface", "AssignPrivateIpAddresses", "UnassignPrivateIpAddresses"),
)
_TYPE = "AWS::Lambda::Function"
_CONFIGURES = {"lambda:CreateFunction", "lambda:UpdateFunctionConfiguration", _TYPE}
_BRINGS_CODE = {"lambda:CreateFunction", "lambda:UpdateFunctionCode", _TYPE}
_INVALID = "InvalidParameterValueException"


def install() -> None:
    """Check functions that are made or changed."""
    for check in (role_refusal, code_refusal):
        check_requests(("lambda",), check)
        check_templates((_TYPE,), check)


def role_refusal(asked: CreationRequest) -> CreationRefusal | None:
    """Why a function cannot be configured so with its role, or None."""
    if asked.action not in _CONFIGURES:
        return None
    role_arn = asked.document.get("Role")
    for action, resource, call in _needed(asked.document):
        if role_arn is None:
            name = str(asked.document.get("FunctionName", ""))
            role_arn = (mappings.function_configuration(name) or {}).get("Role", "")
        role = adapter.Role(arn=str(role_arn), session="awslambda")
        if role.denied(action, resource) is not None:
            # elastic/beats #13963.
            message = f"The provided execution role does not have permissions to call {call}"
            return CreationRefusal(_INVALID, message)
    return None


def _needed(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What a function's configuration takes: actions, resources, and how refusals name them."""
    target = (document.get("DeadLetterConfig") or {}).get("TargetArn")
    if target:
        action, call = CALLS[target.split(":")[2]]
        yield action, target, call
    if (document.get("VpcConfig") or {}).get("SubnetIds"):
        # "your function's execution role must have" (Lambda Developer Guide, "Configuring a Lambda
        # function to access resources in a VPC", and AWSLambdaVPCAccessExecutionRole); aws-sam-cli
        # #617 has the text.
        for name in _NETWORK:
            yield f"ec2:{name}", "*", f"{name} on EC2"
    if (document.get("TracingConfig") or {}).get("Mode") == "Active":
        # Lambda Developer Guide, "Using Lambda with AWS X-Ray".
        yield "xray:PutTraceSegments", "*", "PutTraceSegments on XRAY"


def code_refusal(asked: CreationRequest) -> CreationRefusal | None:
    """Why who makes a function cannot bring its code from S3, or None."""
    code = asked.document.get("Code") or asked.document
    bucket, key = code.get("S3Bucket"), code.get("S3Key")
    if asked.action not in _BRINGS_CODE or not bucket or not key:
        return None
    arn = f"arn:aws:s3:::{bucket}/{key}"
    if asked.actor is not None and asked.actor.denied("s3:GetObject", arn) is not None:
        return CreationRefusal(
            ACCESS_DENIED,
            "Your access has been denied by S3, please make sure your request credentials have "
            f"permission to GetObject for {bucket}/{key}. S3 Error Code: AccessDenied. "
            "S3 Error Message: Access Denied",
        )
    if adapter.has_object(str(bucket), str(key)):
        return None
    return CreationRefusal(
        _INVALID,
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The "
        "specified key does not exist.",
    )
