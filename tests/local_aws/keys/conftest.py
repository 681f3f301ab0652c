"""Keys with policies of their own, and users who may do only what a test says."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

Client = Callable[[str], Any]
ACCOUNT = "000000000000"
OWNER = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


def allow(actions: str | list[str], resources: str | list[str] = "*", **more: Any) -> Any:
    """A statement; `Condition`, `Principal` and `Effect` as keywords."""
    return {"Effect": "Allow", "Action": actions, "Resource": resources} | more


def document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


class World:
    """An administrator's clients, and what they make for a test."""

    def __init__(self, session: boto3.Session, client: Client) -> None:
        self.session, self.client = session, client
        self.kms, self.iam = client("kms"), client("iam")

    def key(self, *statements: Any) -> str:
        """The ARN of a key that its administrator manages, and for whose use statements allow.

        Without statements, IAM policies decide.
        """
        manage = ["kms:Create*", "kms:Describe*", "kms:Enable*", "kms:List*", "kms:Put*"]
        manage += ["kms:Get*", "kms:Disable*", "kms:Revoke*", "kms:ScheduleKeyDeletion"]
        managed = allow(manage, Principal=OWNER)
        own = (managed, *statements) if statements else (allow("kms:*", Principal=OWNER),)
        return str(self.kms.create_key(Policy=document(*own))["KeyMetadata"]["Arn"])

    def user(self, *statements: Any) -> tuple[str, boto3.Session]:
        """A user's ARN and session."""
        name = f"test-{uuid.uuid4().hex[:8]}"
        arn = self.iam.create_user(UserName=name)["User"]["Arn"]
        if statements:
            self.iam.put_user_policy(
                UserName=name, PolicyName="It", PolicyDocument=document(*statements)
            )
        made = self.iam.create_access_key(UserName=name)["AccessKey"]
        return str(arn), boto3.Session(
            aws_access_key_id=made["AccessKeyId"],
            aws_secret_access_key=made["SecretAccessKey"],
            region_name="us-east-1",
        )

    def of(self, session: boto3.Session, service: str) -> Any:
        """A client of the embedded AWS."""
        return session.client(service, endpoint_url=self.client(service).meta.endpoint_url)

    def as_user(self, service: str, *statements: Any) -> Any:
        """A client of a new user who may do what the statements say."""
        return self.of(self.user(*statements)[1], service)


@pytest.fixture(scope="session")
def world(session: boto3.Session, client: Client) -> World:
    return World(session, client)


def refused(call: Callable[..., Any]) -> tuple[str, str]:
    """The code and message with which something is refused."""
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture(scope="session")
def refusal() -> Callable[[Callable[..., Any]], tuple[str, str]]:
    return refused
