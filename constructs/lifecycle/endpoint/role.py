"""The role of the endpoint's container: what serving takes, and no more."""

from __future__ import annotations

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from lifecycle.access.wildcards import acknowledge_resource
from lifecycle.image.container_image import ContainerImage
from lifecycle.jobs.execution_role import allow_log, allow_metrics
from lifecycle.jobs.job_role import grant_get_objects, grant_write_objects, sagemaker_principal

__all__ = ["EndpointRole"]

# Where the training pipeline leaves model artifacts, in the artifacts bucket.
MODELS_PREFIX = "models/"


class EndpointRole(iam.Role):
    """Runs the project's image behind one endpoint.

    Guarantees:
        SageMaker can assume it for this account only.
        It reads model artifacts, writes the endpoint's own captures and log, and nothing else
        unless it is allowed to.

    Args:
        endpoint_name: The endpoint; its captures are named after it.
        log_group: Where SageMaker writes what the container prints.
        image: The image that packages name.
        artifacts_bucket: Where model artifacts are, below `models/`.
        captures_bucket: Where captures land, below the endpoint's name.
        encryption_key: The key of both buckets.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        log_group: logs.ILogGroup,
        image: ContainerImage,
        artifacts_bucket: s3.IBucket,
        captures_bucket: s3.IBucket,
        encryption_key: kms.IKey,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            description="Lets the endpoint's container read its model and write its captures",
            assumed_by=sagemaker_principal(scope),
        )
        image.grant_pull(self)
        acknowledge_resource(
            self,
            "*",
            "ecr:GetAuthorizationToken and cloudwatch:PutMetricData take no resource; the latter "
            "is limited to SageMaker's own namespaces",
        )
        grant_get_objects(self, artifacts_bucket, encryption_key, MODELS_PREFIX)
        grant_write_objects(self, captures_bucket, encryption_key, f"{endpoint_name}/")
        allow_log(self, log_group.log_group_name)
        allow_metrics(self, "/aws/sagemaker/Endpoints")

    def allow_watching_alarms(self) -> None:
        """Let SageMaker look at the alarms of this stack while it shifts traffic."""
        stack = Stack.of(self)
        # By the stack's name, not by their own: there is no alarm before there is an endpoint.
        alarms = stack.format_arn(
            service="cloudwatch",
            resource="alarm",
            resource_name=f"{stack.stack_name}-*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        self.add_to_policy(
            iam.PolicyStatement(actions=["cloudwatch:DescribeAlarms"], resources=[alarms])
        )
        acknowledge_resource(
            self, alarms, "The alarms of one stack; CloudFormation names them, with a random end"
        )
