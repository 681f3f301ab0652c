"""An SSM parameter that a deployment creates and never resets."""

from __future__ import annotations

from aws_cdk import ArnFormat, CustomResource, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from lifecycle.lambda_function import LambdaFunction

__all__ = ["SeededParameter"]


class SeededParameter(Construct):
    """Creates a parameter with the value `none`, and leaves a value that is there alone.

    An `AWS::SSM::Parameter` would write its value again with every deployment that touches it; for
    the approved model that means deleting the endpoint.

    Args:
        parameter_name: Physical name, with its leading slash.
        encryption_key: Key of the function's log.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        parameter_name: str,
        encryption_key: kms.IKey,
    ) -> None:
        super().__init__(scope, construct_id)
        timeout = Duration.minutes(1)
        seeder = LambdaFunction(
            self,
            "Seeder",
            handler="seed_parameter",
            description="Creates the approved model parameter if it is absent",
            encryption_key=encryption_key,
            timeout=timeout,
            environment={},
        )
        seeder.role.add_to_policy(
            iam.PolicyStatement(
                actions=["ssm:DeleteParameter", "ssm:PutParameter"],
                resources=[
                    Stack.of(self).format_arn(
                        service="ssm",
                        resource="parameter",
                        # The name begins with the slash that would separate it.
                        resource_name=parameter_name.removeprefix("/"),
                        arn_format=ArnFormat.SLASH_RESOURCE_NAME,
                    )
                ],
            )
        )
        CustomResource(
            self,
            "Parameter",
            resource_type="Custom::SeededParameter",
            service_token=seeder.function.function_arn,
            service_timeout=timeout,
            properties={"ParameterName": parameter_name},
        )
        self.parameter_name = parameter_name
