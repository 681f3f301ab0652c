"""IAM's users, and what its lists tell."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Client = Callable[[str], Any]
STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT]})
TAGS = [{"Key": "team", "Value": "a"}]


@pytest.fixture
def user(client: Client) -> str:
    name = f"user-{uuid.uuid4().hex[:8]}"
    client("iam").create_user(UserName=name, Tags=TAGS)
    return name


@pytest.mark.parametrize("method", ["get_user", "create_access_key", "list_access_keys"])
def test_the_user_must_be_named(client: Client, method: str) -> None:
    with pytest.raises(ClientError, match="without UserName is not supported"):
        getattr(client("iam"), method)()


def test_a_user_with_inline_policies_is_not_deleted(client: Client, user: str) -> None:
    client("iam").put_user_policy(UserName=user, PolicyName="own", PolicyDocument=POLICY)
    with pytest.raises(ClientError, match="DeleteConflict"):
        client("iam").delete_user(UserName=user)


def test_names_differ_by_more_than_case(client: Client, user: str) -> None:
    with pytest.raises(ClientError, match="EntityAlreadyExists"):
        client("iam").create_user(UserName=user.upper())
    client("iam").create_policy(PolicyName=user, PolicyDocument=POLICY)
    with pytest.raises(ClientError, match="EntityAlreadyExists"):
        client("iam").create_policy(PolicyName=user.upper(), PolicyDocument=POLICY)


def test_a_key_is_deleted_for_its_own_user(client: Client, user: str) -> None:
    key = client("iam").create_access_key(UserName=user)["AccessKey"]["AccessKeyId"]
    with pytest.raises(ClientError, match="NoSuchEntity"):
        client("iam").delete_access_key(UserName="operator", AccessKeyId=key)
    client("iam").delete_access_key(UserName=user, AccessKeyId=key)


def test_tags_of_a_policy_differ_by_more_than_case(client: Client) -> None:
    with pytest.raises(ClientError, match="Duplicate tag keys found"):
        client("iam").create_policy(
            PolicyName="tags", PolicyDocument=POLICY, Tags=[*TAGS, {"Key": "Team", "Value": "b"}]
        )


def test_lists_tell_no_tags(client: Client, user: str) -> None:
    """What a request for the one user tells."""
    iam = client("iam")
    listed = [each for each in iam.list_users()["Users"] if each["UserName"] == user]
    assert "Tags" not in listed[0]
    assert iam.get_user(UserName=user)["User"]["Tags"] == TAGS


def test_a_policy_tells_its_tags_and_its_list_no_description(client: Client) -> None:
    iam, name = client("iam"), f"policy-{uuid.uuid4().hex[:8]}"
    arn = iam.create_policy(PolicyName=name, PolicyDocument=POLICY, Description="d")["Policy"][
        "Arn"
    ]
    assert iam.get_policy(PolicyArn=arn)["Policy"]["Tags"] == []
    listed = [each for each in iam.list_policies(Scope="Local")["Policies"] if each["Arn"] == arn]
    assert "Description" not in listed[0]
