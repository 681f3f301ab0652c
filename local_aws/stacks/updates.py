"""CloudFormation's stack policies, its waits, and what it makes of resources that exist already."""

import fnmatch
import json
from collections.abc import Mapping, Sequence
from typing import Any

from local_aws import registry
from local_aws.adapter.cloudformation import adoption, cancellation, deployments, stacks
from local_aws.guesses import Guess, guessed

# The operations after which the CDK CLI waits for a stack.
SETTLED_ACTIONS = ("ExecuteChangeSet", "DeleteStack")
SETTLED_SECONDS = 8.0


def install() -> None:
    """Apply stack policies, wait neither for what is done nor for what cannot come, and adopt."""
    stacks.tell_unsupported_types(lambda kind: registry.schema(kind) is not None)
    deployments.refuse_updates(refusal)
    deployments.fail_custom_resources_of_failing_functions()
    deployments.answer_when_settled(SETTLED_ACTIONS, SETTLED_SECONDS)
    cancellation.end_with_what_is_under_way()
    adoption.refuse_failed_stacks()
    adoption.keep_boundaries()
    adoption.refuse_taken_names()
    adoption.import_streams_and_repositories()
    adoption.list_tagged_streams()


def refusal(policy: str, action: str, logical_id: str, resource_type: str) -> str | None:
    """Why a stack policy does not let an update do something to a resource.

    Args:
        policy: The policy's JSON. What no statement allows is denied.
        action: Update:Modify, Update:Replace or Update:Delete.
        logical_id: The resource in the template.
        resource_type: Its type.

    Returns:
        CloudFormation's message, or None if the policy allows it.
    """
    allowed = False
    for number, statement in enumerate(_list(json.loads(policy)["Statement"]), start=1):
        if not _applies(statement, action, logical_id, resource_type):
            continue
        if statement["Effect"] == "Deny":
            return (
                f"Action denied by stack policy: Statement [#{number}] does not allow [{action}] "
                f"for resource [LogicalResourceId/{logical_id}]"
            )
        allowed = True
    if allowed:
        return None
    words = f"Action denied by stack policy: no statement allows [{action}] for resource "
    return guessed(f"{words}[LogicalResourceId/{logical_id}]", Guess.WORDS)


def _applies(
    statement: Mapping[str, Any], action: str, logical_id: str, resource_type: str
) -> bool:
    resource = f"LogicalResourceId/{logical_id}"
    return (
        _named(statement, "Action", action)
        and _named(statement, "Resource", resource)
        and _condition_holds(statement.get("Condition", {}), resource_type)
    )


def _named(statement: Mapping[str, Any], element: str, value: str) -> bool:
    """Whether Action or Resource names a value, or NotAction or NotResource does not."""
    if f"Not{element}" in statement:
        return not _matches(statement[f"Not{element}"], value)
    return _matches(statement[element], value)


def _matches(patterns: str | Sequence[str], value: str) -> bool:
    return any(fnmatch.fnmatchcase(value, pattern) for pattern in _list(patterns))


def _condition_holds(condition: Mapping[str, Mapping[str, Any]], resource_type: str) -> bool:
    """Stack policies have one condition key, ResourceType."""
    for kind, tests in condition.items():
        wanted = _list(tests["ResourceType"])
        matched = _matches(wanted, resource_type) if kind == "StringLike" else False
        if not matched and resource_type not in wanted:
            return False
    return True


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
