"""Roles, buckets and tiny jobs for the tests of the local SageMaker."""

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/fraudloop-local:test"
# An entry point: [*ENTRIES, "copy"].
ENTRIES = ["python", str(Path(__file__).with_name("entries.py"))]
ENDED = {"Completed", "Failed", "Stopped", "Succeeded"}


@pytest.fixture(scope="session")
def make_role(client: Callable[[str], Any]) -> Callable[..., str]:
    """make_role(statement, ...): the ARN of a new role that SageMaker may use."""

    def make(*statements: dict[str, Any]) -> str:
        iam, name = client("iam"), f"role-{uuid.uuid4().hex[:8]}"
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {
                        "Service": "sagemaker.amazonaws.com",
                        "AWS": "arn:aws:iam::000000000000:root",  # the tests assume it too
                    },
                    "Action": "sts:AssumeRole",
                }
            ],
        }
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        policy = {"Version": "2012-10-17", "Statement": list(statements)}
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
        return str(role["Role"]["Arn"])

    return make


@pytest.fixture(scope="session")
def bucket(client: Callable[[str], Any]) -> str:
    name = f"data-{uuid.uuid4().hex[:8]}"
    client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="session")
def job_role(make_role: Callable[..., str], bucket: str) -> str:
    """May read and write the bucket, but not its folder `secret/`."""
    return make_role(
        allow(["s3:*"], f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"),
        {**allow(["s3:GetObject"], f"arn:aws:s3:::{bucket}/secret/*"), "Effect": "Deny"},
    )


def allow(actions: list[str], *resources: str) -> dict[str, Any]:
    """A policy statement."""
    return {"Effect": "Allow", "Action": actions, "Resource": list(resources)}


def unique(prefix: str) -> str:
    """A name that no other test uses."""
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def wait_for(
    describe: Callable[[], dict[str, Any]], member: str, ended: set[str] = ENDED
) -> dict[str, Any]:
    """Poll a description until its status says that it ended."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        description = describe()
        if description[member] in ended:
            return description
        time.sleep(0.05)
    raise AssertionError(f"still {describe()[member]} after a minute")
