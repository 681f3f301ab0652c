"""IAM's users: their names, their keys, and what must be gone before they are deleted."""

from collections.abc import Callable, Mapping
from typing import Any

from local_aws.adapter import lookups
from local_aws.adapter.operations import Refusal

_Rule = Callable[[Mapping[str, Any]], Refusal | None]


def _create(given: Mapping[str, Any]) -> Refusal | None:
    """Names "are not distinguished by case" (IAM API Reference, CreateUser)."""
    name = str(given["UserName"])
    if not lookups.has_user_in_other_case(name):
        return None
    return Refusal("EntityAlreadyExists", f"User with name {name} already exists.", 409)


def _named(rule: _Rule) -> _Rule:
    """A rule for requests that name the user; AWS would take the one whose key signed it."""

    def named(given: Mapping[str, Any]) -> Refusal | None:
        if "UserName" in given:
            return rule(given)
        words = "a request without UserName is not supported by the embedded AWS; give it"
        return Refusal("ValidationError", words, 400)

    return named


def _delete(given: Mapping[str, Any]) -> Refusal | None:
    """ "you must delete the items attached to the user manually, or the deletion fails ...
    Inline policies (DeleteUserPolicy)" (IAM API Reference, DeleteUser).
    """
    if not lookups.has_inline_policies(str(given["UserName"])):
        return None
    return Refusal("DeleteConflict", "Cannot delete entity, must delete policies first.", 409)


def _delete_key(given: Mapping[str, Any]) -> Refusal | None:
    """ "the access key pair associated with the specified IAM user" (DeleteAccessKey)."""
    key = str(given["AccessKeyId"])
    if lookups.key_user(key) == given["UserName"]:
        return None
    return Refusal("NoSuchEntity", f"The Access Key with id {key} cannot be found.", 404)


def _create_key(given: Mapping[str, Any]) -> Refusal | None:
    """At most two a user (IAM and STS quotas)."""
    if lookups.access_keys(str(given["UserName"])) < 2:  # noqa: PLR2004
        return None
    return Refusal("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2", 409)


RULES = {
    "CreateAccessKey": _named(_create_key),
    "CreateUser": _create,
    "DeleteAccessKey": _named(_delete_key),
    "DeleteUser": _delete,
    "GetUser": _named(lambda _given: None),
    "ListAccessKeys": _named(lambda _given: None),
}
