"""What all functions of the project have: a role, a log, and no more leave than to write it."""

from __future__ import annotations

from typing import Any

from aws_cdk import RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

__all__ = ["ProjectFunction"]


class ProjectFunction(Construct):
    """Runs one handler with no more than it is granted.

    Guarantees:
        Logs are JSON, kept for three months in a log group under the given key.
        The role may write that log and, until it is granted more, nothing else.

    Args:
        description: What the function is for.
        encryption_key: Key of the log group.
    """

    function: lambda_.Function

    def __init__(
        self, scope: Construct, construct_id: str, *, description: str, encryption_key: kms.IKey
    ) -> None:
        super().__init__(scope, construct_id)
        self._description = description
        self._log = logs.LogGroup(
            self,
            "Log",
            encryption_key=encryption_key,
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.role = iam.Role(
            self,
            "Role",
            description=description,
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )
        self._log.grant_write(self.role)

    def _define_function(self, **settings: Any) -> lambda_.Function:
        """The function, with its code and whatever else it has of its own."""
        return lambda_.Function(
            self,
            "Function",
            description=self._description,
            role=self.role,
            log_group=self._log,
            logging_format=lambda_.LoggingFormat.JSON,
            **settings,
        )

    @property
    def grant_principal(self) -> iam.IPrincipal:
        """The function's role, so that a construct's `grant_*` methods take the function."""
        return self.role
