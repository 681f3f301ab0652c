"""The deployed roles, and clients with their credentials."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks.permissions.recorded import ATTACK
from operations.target import Target
from pipeline_code.contracts.resources import Stage


@dataclass
class Roles:
    """The roles of an environment by stage and logical id, which lacks the CDK's hash here.

    Attributes:
        names: Physical names.
    """

    target: Target
    names: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._iam, self._sts = self.target.client("iam"), self.target.client("sts")
        self.account = self._sts.get_caller_identity()["Account"]
        cloudformation = self.target.client("cloudformation")
        for stage in Stage:
            pages = cloudformation.get_paginator("list_stack_resources")
            for page in pages.paginate(StackName=self.target.stack_name(stage)):
                for each in page["StackResourceSummaries"]:
                    if each["ResourceType"] == "AWS::IAM::Role":
                        name = each["LogicalResourceId"][:-8]
                        self.names[stage, name] = each["PhysicalResourceId"]

    def arn(self, stage: str, role: str) -> str:
        return f"arn:aws:iam::{self.account}:role/{self.names[stage, role]}"

    def trust(self, stage: str, role: str) -> Mapping[str, Any]:
        """A role's trust policy."""
        found = self._iam.get_role(RoleName=self.names[stage, role])["Role"]
        document: Mapping[str, Any] = found["AssumeRolePolicyDocument"]
        return document

    def act_as(self, stage: str, role: str) -> Callable[..., Any]:
        """Clients with a role's own credentials: for a moment, its trust lets the operator in."""
        name, trust = self.names[stage, role], self.trust(stage, role)
        everybody = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{self.account}:root"},
            "Action": "sts:AssumeRole",
        }
        opened = {**trust, "Statement": [*trust["Statement"], everybody]}
        try:
            self._iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(opened))
            keys = self._sts.assume_role(RoleArn=self.arn(stage, role), RoleSessionName=ATTACK)
        finally:
            self._iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
        # Of one session, which has read the services' models already.
        return partial(
            self.target.session.client,
            endpoint_url=self._sts.meta.endpoint_url,
            aws_access_key_id=keys["Credentials"]["AccessKeyId"],
            aws_secret_access_key=keys["Credentials"]["SecretAccessKey"],
            aws_session_token=keys["Credentials"]["SessionToken"],
        )
