"""Policy documents held to IAM's grammar ("Grammar of the IAM JSON policy language").

The order of what is refused, and the words, are those that AWS gave moto's authors (getmoto/moto,
tests/test_iam/test_iam_policies.py records them).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from local_aws.adapter.identity.evaluation import is_operator
from local_aws.guesses import Guess, guessed
from local_aws.policies.principals import invalid_principals

_VERSIONS = ("2008-10-17", "2012-10-17")
_ELEMENTS = {
    *("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction"),
    *("Resource", "NotResource", "Condition"),
}
_SYNTAX = "Syntax errors in policy."
_LEGACY = "The policy failed legacy parsing"
_DATE = re.compile(
    r"-?\d+(-(0?[1-9]|1[0-2])(-(0?[1-9]|[12]\d|3[01]))?)?"
    r"([tT]([01]?\d|2[0-3])?(:[0-5]?\d(:[0-5]?\d(\.\d{1,9})?)?)?([zZ]|[+-]\d\d(:?[0-5]\d)?)?)?"
)
_LATEST = 2**63 - 1
# A trust policy "may only specify" these; of the STS actions that policies of roles can name.
_TRUST_ACTION = re.compile(r"sts:(AssumeRole\w*\*?|TagSession|SetSourceIdentity|SetContext)", re.I)
_OF_NO_REGION = {
    "iam": "IAM resource {} cannot contain region information.",
    "s3": "Resource {} can not contain region information.",
}
_IAM_PATHS = (
    *("user/", "federated-user/", "role/", "group/", "instance-profile/", "mfa/"),
    *("server-certificate/", "policy/", "sms-mfa/", "saml-provider/", "oidc-provider/"),
    *("report/", "access-report/"),
)


class Kind(Enum):
    """Whose a policy is."""

    INLINE = auto()
    MANAGED = auto()
    RESOURCE = auto()
    TRUST = auto()


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a policy.

    Attributes:
        element: The element that is at fault, such as `Principal`; empty if it is the syntax.
        words: IAM's.
    """

    element: str
    words: str


def size(text: str) -> int:
    """The characters that count: "IAM doesn't count white space"."""
    return len(re.sub(r"\s", "", text))


def statements(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A document's statements."""
    found = document.get("Statement", [])
    return [found] if isinstance(found, Mapping) else list(found)


def listed(statement: Mapping[str, Any], element: str) -> list[str]:
    """An element's values, and those of its opposite (`NotAction`)."""
    found: list[str] = []
    for name in (element, f"Not{element}"):
        values = statement.get(name, [])
        found += [values] if isinstance(values, str) else values
    return found


def problem(text: str, kind: Kind) -> Problem | None:
    """What is wrong with a policy; None if nothing is."""
    try:
        document = json.loads(text)
    except ValueError:
        words = "This policy contains invalid Json" if kind is Kind.TRUST else _SYNTAX
        return Problem("JSON", words)
    return next(_problems(document, kind), None)


def _problems(document: Any, kind: Kind) -> Iterator[Problem]:
    """Problems in the order in which IAM finds them; what follows one may be none."""
    if not _well_formed(document):
        yield Problem("", _SYNTAX)
        return
    if kind is Kind.MANAGED and document.get("Version") != _VERSIONS[1]:
        yield Problem("Version", "Policy document must be version 2012-10-17 or greater.")
    found = statements(document)
    if not all(map(_parses, found)):
        yield Problem("", _LEGACY)
    wrong = [reason for each in found for reason in _resources(each)]
    if not wrong and not all(map(_resources_parse, found)):
        yield Problem("Resource", _LEGACY)
    sids = [each["Sid"] for each in found if each.get("Sid")]
    if len({*sids}) < len(sids):
        yield Problem("Sid", "Statement IDs (SID) in a single policy must be unique.")
    if kind is not Kind.RESOURCE and not all(re.fullmatch("[0-9A-Za-z]*", sid) for sid in sids):
        # cfn-lint #708. Other services allow more: KMS's own default policy has spaces.
        words = "Check that your input satisfies the regular expression [0-9A-Za-z]*"
        yield Problem("Sid", f"Statement IDs (SID) must be alpha-numeric. {words}")
    if not all(listed(each, "Action") for each in found):
        yield Problem("Action", "Policy statement must contain actions.")
    yield from (Problem("Resource", words) for words in wrong)
    for each in found:
        yield from _actions(each, kind)
        yield from _principals(each, kind)
    if kind in (Kind.INLINE, Kind.MANAGED) and not all(listed(each, "Resource") for each in found):
        yield Problem("Resource", "Policy statement must contain resources.")
    if kind is Kind.TRUST and any({"Resource", "NotResource"} & {*each} for each in found):
        yield Problem("Resource", "Has prohibited field Resource")


def _well_formed(document: Any) -> bool:
    """Whether elements have names and types that the grammar knows."""
    if not isinstance(document, Mapping) or {*document} - {"Version", "Id", "Statement"}:
        return False
    found = document.get("Statement")
    return (
        document.get("Version", _VERSIONS[0]) in _VERSIONS
        and isinstance(document.get("Id", ""), str)
        and isinstance(found, list | Mapping)
        and bool(found)
        and all(map(_is_statement, [found] if isinstance(found, Mapping) else found))
    )


def _is_statement(statement: Any) -> bool:
    if not isinstance(statement, Mapping) or {*statement} - _ELEMENTS:
        return False
    conditions = statement.get("Condition", {})
    return (
        str(statement.get("Effect")).lower() in ("allow", "deny")
        and isinstance(statement.get("Sid", ""), str)
        and not any({name, f"Not{name}"} <= {*statement} for name in ("Action", "Resource"))
        and all(
            _are_texts(statement.get(name, ""))
            for name in ("Action", "NotAction", "Resource", "NotResource")
        )
        and isinstance(conditions, Mapping)
        and all(_is_condition(operator, tests) for operator, tests in conditions.items())
    )


def _is_condition(operator: str, tests: Any) -> bool:
    if not isinstance(tests, Mapping) or not (is_operator(operator) or not tests):
        return False
    scalar = (str, bool, int, float)
    return all(
        isinstance(value, scalar)
        or (isinstance(value, list) and all(isinstance(each, scalar) for each in value))
        for value in tests.values()
    )


def _are_texts(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(each, str) for each in value)
    )


def _parses(statement: Mapping[str, Any]) -> bool:
    """Whether effects are in their case and dates are dates."""
    dates = [
        str(value)
        for operator, tests in statement.get("Condition", {}).items()
        if operator.rpartition(":")[2].lower().startswith("date")
        for values in tests.values()
        for value in (values if isinstance(values, list) else [values])
    ]
    return statement["Effect"] in ("Allow", "Deny") and all(
        _DATE.fullmatch(date) and not (date.isdecimal() and int(date) > _LATEST) for date in dates
    )


def _resources_parse(statement: Mapping[str, Any]) -> bool:
    return all(
        (arn.count(":") >= 5 or "::" not in arn) and arn.split(":")[2] != ""  # noqa: PLR2004
        for arn in listed(statement, "Resource")
        if arn != "*" and arn.count(":") > 1
    )


def _resources(statement: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the form of the resources that a statement names."""
    for resource in sorted(listed(statement, "Resource")):
        parts = resource.split(":", 5)
        if resource == "*":
            continue
        if len(parts) == 1:
            yield f'Resource {resource} must be in ARN format or "*".'
        elif parts[0] == "arn" and parts[1] == "*":
            continue
        elif re.fullmatch("aws(-[a-z-]+)?", parts[1]) is None:
            shown = ":".join([*parts[1:], *["*"] * (6 - len(parts))])
            yield f'Partition "{parts[1]}" is not valid for resource "arn:{shown}".'
        elif len(parts) == 2:  # noqa: PLR2004 - arn:aws
            yield "Resource vendor must be fully qualified and cannot contain regexes."
        elif parts[2] in _OF_NO_REGION and parts[3:4] not in ([""], []):
            if not (parts[2] == "s3" and parts[-1].startswith("accesspoint")):
                yield _OF_NO_REGION[parts[2]].format(resource)
        elif parts[2] == "iam" and not parts[-1].startswith((*_IAM_PATHS, "*", "root")):
            paths = ", ".join(_IAM_PATHS)
            yield f'IAM resource path must either be "*" or start with {paths}.'


def _actions(statement: Mapping[str, Any], kind: Kind) -> Iterator[Problem]:
    for action in listed(statement, "Action"):
        vendor, colon, name = action.partition(":")
        words = None
        if not colon and action != "*":
            words = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
        elif ":" in name:
            words = "Actions/Condition can contain only one colon."
        elif action != "*" and re.search(r"[^a-zA-Z0-9.-]", vendor):
            words = f"Vendor {vendor} is not valid"
        elif kind is Kind.TRUST and _TRUST_ACTION.fullmatch(action) is None:
            words = "AssumeRole policy may only specify STS AssumeRole actions."
        if words is not None:
            yield Problem("Action", words)


def _principals(statement: Mapping[str, Any], kind: Kind) -> Iterator[Problem]:
    given = [name for name in ("Principal", "NotPrincipal") if name in statement]
    if kind in (Kind.INLINE, Kind.MANAGED):
        if given:
            yield Problem("Principal", "Policy document should not specify a principal.")
    elif len(given) != 1:
        yield Problem("", "Missing required field Principal")
    elif given == ["NotPrincipal"] and (kind is Kind.TRUST or statement["Effect"] == "Allow"):
        # "Role trust policies do not support NotPrincipal" (IAM Access Analyzer policy check
        # reference); of resources AWS takes it with Allow, and only warns.
        yield Problem("", guessed("Has prohibited field NotPrincipal", Guess.WORDS))
    else:
        yield from (
            Problem("Principal", f"Invalid principal in policy: {named}")
            for named in invalid_principals(statement[given[0]])
        )
