"""The smallest parts of policies: one action on one resource for one principal.

Templates name resources by intrinsic functions; what CloudFormation made of them is recorded. Both
have the same shape, so that each part is known by what its template says of it, in whichever
environment it was deployed.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]
# Also in what names are made of by the CDK.
_ENVIRONMENT = re.compile(r"(fraudloop[-_/]?)(?:local|dev|prod)", re.IGNORECASE)


@dataclass(frozen=True)
class Element:
    """One action on one resource for one principal, as a template has it.

    Attributes:
        owner: Stage, logical id and kind of what holds the statement.
        effect: `Allow` or `Deny`.
        principal: Of resource and trust policies; empty otherwise.
        action: May hold wildcards.
        resource: With intrinsic functions in braces; empty in trust policies.
        conditions: As JSON.
    """

    owner: str
    effect: str
    principal: str
    action: str
    resource: str
    conditions: str

    def __str__(self) -> str:
        whose = f" for {self.principal}" if self.principal else ""
        resource = f" on {self.resource}" if self.resource else ""
        when = f" if {self.conditions}" if self.conditions != "{}" else ""
        return f"{self.owner}: {self.effect} {self.action}{resource}{whose}{when}"


@dataclass(frozen=True)
class Part:
    """An element and the statement, of it alone, that is evaluated."""

    element: Element
    statement: Document


def parts(owner: str, template: Document, resolved: Document) -> Iterator[Part]:
    """The elements of a document, each as a statement of its own."""
    pairs = zip(listed(template["Statement"]), listed(resolved["Statement"]), strict=True)
    for written, made in pairs:
        for principal, who in _principals(written.get("Principal"), made.get("Principal")):
            yield from _of_principal(owner, written, made, principal, who)


def _of_principal(
    owner: str, written: Document, made: Document, principal: str, who: Any
) -> Iterator[Part]:
    base = {key: made[key] for key in ("Effect", "Condition") if made.get(key)}
    if who is not None:
        base["Principal"] = who
    conditions = _text(written.get("Condition", {}))
    resources = zip(listed(written.get("Resource")), listed(made.get("Resource")), strict=True)
    for named, resource in resources:
        for action in listed(written["Action"]):
            element = Element(
                owner,
                written["Effect"],
                principal,
                action,
                "" if named is None else _text(named),
                conditions,
            )
            whole = base | {"Action": action} | ({} if resource is None else {"Resource": resource})
            yield Part(element, whole)


def _principals(written: Any, made: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(written, Mapping):
        yield "" if written is None else _text(written), made
        return
    for kind, names in written.items():
        for name, resolved in zip(listed(names), listed(made[kind]), strict=True):
            yield _text(name), {kind: resolved}


def listed(value: Any) -> Sequence[Any]:
    """A list of what may be one alone."""
    return value if isinstance(value, list) else [value]


def fits(written: Any, made: Any) -> bool:
    """Whether a value may be what CloudFormation makes of a template's."""
    if isinstance(written, Mapping):
        if len(written) == 1 and next(iter(written)).startswith(("Fn::", "Ref")):
            return True
        return (
            isinstance(made, Mapping)
            and written.keys() == made.keys()
            and all(fits(value, made[key]) for key, value in written.items())
        )
    if isinstance(written, list):
        return (
            isinstance(made, list)
            and len(written) == len(made)
            and all(fits(*pair) for pair in zip(written, made, strict=True))
        )
    return str(written) == str(made) or _text(written) == _text(made)


def _text(value: Any) -> str:
    """A template's value as text that is the same in each environment."""
    return _ENVIRONMENT.sub(r"\1{environment}", _spelled(value))


def _spelled(value: Any) -> str:
    if not isinstance(value, Mapping):
        return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    argument: Any
    ((name, argument),) = value.items() if len(value) == 1 else ((None, None),)
    if name == "Ref":
        return f"{{{argument}}}"
    if name == "Fn::GetAtt":
        return f"{{{'.'.join(argument)}}}"
    if name == "Fn::Join":
        return str(argument[0]).join(map(_spelled, argument[1]))
    if name == "Fn::Sub":
        return str(argument if isinstance(argument, str) else argument[0]).replace("${", "{")
    return json.dumps(value, sort_keys=True)
