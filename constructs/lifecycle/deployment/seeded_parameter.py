"""An SSM parameter that a deployment creates and never resets."""

from __future__ import annotations

from aws_cdk import Aws, CustomResource, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from lifecycle.deployment.grants import grant_endpoint
from lifecycle.functions.lambda_function import LambdaFunction

__all__ = ["SeededParameter"]

TIMEOUT = Duration.minutes(1)


class SeededParameter(Construct):
    """Creates a parameter with the value `none`, and leaves a value that is there alone.

    An `AWS::SSM::Parameter` would write its value again with every deployment that touches it; for
    the approved model that means deleting the endpoint.

    Guarantees:
        The parameter goes with the stack, and in no other case: not with an update that renames
        this construct.

    Args:
        parameter_name: Physical name, with its leading slash.
        encryption_key: Key of the function's log.
        endpoint_name: The endpoint whose model the parameter names. While it is there, the
            parameter is not deleted, and one that is lost is created with what it serves. If
            omitted, it names no endpoint's model.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        parameter_name: str,
        encryption_key: kms.IKey,
        endpoint_name: str | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.parameter_name = parameter_name
        seeder = LambdaFunction(
            self,
            "Seeder",
            handler="seed_parameter",
            description=f"Creates the parameter {parameter_name} if it is absent",
            encryption_key=encryption_key,
            timeout=TIMEOUT,
            environment={},
        )
        self._grant(seeder.role)
        properties = {"ParameterName": parameter_name}
        if endpoint_name is not None:
            grant_endpoint(seeder.role, endpoint_name)
            properties["EndpointName"] = endpoint_name
        CustomResource(
            self,
            "Parameter",
            resource_type="Custom::SeededParameter",
            service_token=seeder.function.function_arn,
            service_timeout=TIMEOUT,
            properties=properties,
        )

    def _grant(self, role: iam.Role) -> None:
        parameter = Stack.of(self).format_arn(
            service="ssm",
            resource="parameter",
            # The name begins with the slash that would separate it.
            resource_name=self.parameter_name.removeprefix("/"),
        )
        for actions, resource in (
            (["ssm:DeleteParameter", "ssm:PutParameter"], parameter),
            (["cloudformation:DescribeStacks"], Aws.STACK_ID),
        ):
            role.add_to_policy(iam.PolicyStatement(actions=actions, resources=[resource]))
