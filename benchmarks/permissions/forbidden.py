"""The forbidden requests: tried with a role's credentials, what it did not need is refused."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from botocore.exceptions import ClientError

from benchmarks.permissions.acting import Roles
from benchmarks.permissions.capabilities import Capability, Clients, capabilities
from benchmarks.permissions.recorded import RecordedDecision
from operations.target import Target

_END = re.compile(r"-[0-9a-fA-F]{13}\b")
_DENIED = ("AccessDenied", "NotAuthorized", "Unauthorized")


@dataclass(frozen=True)
class Row:
    """Who needed a capability, and what all others were told when they tried.

    Attributes:
        needed: Roles by stage and logical id.
        refused: Those that were refused.
        got_through: Those that were not, with what they were told.
    """

    capability: Capability
    needed: Sequence[str]
    refused: Sequence[str]
    got_through: Mapping[str, str]


def matrix(target: Target, decisions: Sequence[RecordedDecision]) -> list[Row]:
    """Every capability, tried by each role that did not need it."""
    roles = Roles(target)
    clients = {role: roles.act_as(*role) for role in roles.names}
    needs = _needs(decisions)
    return [_row(capability, roles, clients, needs) for capability in capabilities(target, roles)]


def _row(
    capability: Capability,
    roles: Roles,
    clients: Mapping[tuple[str, str], Clients],
    needs: Mapping[str, set[tuple[str, str]]],
) -> Row:
    needed, refused, got_through = [], [], {}
    for role, name in roles.names.items():
        told = "/".join(role)
        if any(
            action == capability.action and fnmatchcase(resource, _written(capability.resource))
            for action, resource in needs.get(_written(name), ())
        ):
            needed.append(told)
        elif (answer := _answer(capability, clients[role])) is None:
            refused.append(told)
        else:
            got_through[told] = answer
    return Row(capability, needed, refused, got_through)


def _answer(capability: Capability, clients: Clients) -> str | None:
    """What somebody is told who tries something; None if it is that they may not."""
    try:
        capability.attempt(clients)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        return None if code.startswith(_DENIED) else str(error)
    return "it was done"


def _written(name: str) -> str:
    """A role's name or an ARN without the random ends that each environment has its own of."""
    return _END.sub("", name)


def _needs(decisions: Sequence[RecordedDecision]) -> dict[str, set[tuple[str, str]]]:
    """What each role, by name but for its end, was allowed in the loop."""
    found: dict[str, set[tuple[str, str]]] = {}
    for decision in decisions:
        asked = decision.asked
        if decision.allowed and not decision.is_attack and ":assumed-role/" in asked["principal"]:
            name = _written(asked["principal"].split("/")[1])
            found.setdefault(name, set()).add((asked["action"], _written(asked["resource"])))
    return found
