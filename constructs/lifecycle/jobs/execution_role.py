"""The permissions of every execution role: log, metrics and volumes of a job or model.

The permissions are those of the SageMaker guide, "API: Execution Role Permissions", narrowed.
"""

from __future__ import annotations

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from lifecycle.access.wildcards import acknowledge_resource

__all__ = ["allow_log", "allow_metrics", "allow_volume"]


def allow_log(role: iam.Role, log_group: str) -> None:
    """Allow writing to a log group, and making it if it is not there.

    AWS asks about a log stream even where none is named, `<group>:log-stream:`. So denials have
    it: of DescribeLogStreams (sagemaker-python-sdk #2253), of PutRetentionPolicy
    (terraform-aws-eks-blueprints #1454). The bare ARN matches none of them.

    Args:
        role: What SageMaker writes as.
        log_group: Its name. Given by reference to a group that a stack owns, the policy goes
            before the group does, and nobody makes the group again without its key.
    """
    streams = Stack.of(role).format_arn(
        service="logs",
        resource="log-group",
        resource_name=f"{log_group}:*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=[
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:DescribeLogStreams",
                "logs:PutLogEvents",
            ],
            resources=[streams],
        )
    )
    acknowledge_resource(role, streams, "SageMaker names log streams after hosts and instances")


def allow_metrics(role: iam.Role, namespace: str) -> None:
    """Allow putting metrics into one namespace, such as `/aws/sagemaker/TrainingJobs`."""
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": namespace}},
        )
    )


def allow_volume(role: iam.Role, key: kms.IKey) -> None:
    """Allow attaching volumes under the key: EBS decrypts by a grant, which the role hands on.

    SageMaker's guide asks for CreateGrant without a condition; that grants go to AWS's services
    only is AWS's own advice for whoever attaches EBS volumes (KMS guide, "Allow key users to use
    the key with AWS services"). Without it a job could hand the key to anybody. ADR 0051.
    """
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["kms:CreateGrant"],
            resources=[key.key_arn],
            conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        )
    )
