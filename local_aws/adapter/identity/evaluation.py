"""Policies evaluated as the IAM User Guide documents it, where ministack does it otherwise.

The sections that the rules are of are named beside them: "Operators" is "IAM JSON policy elements:
Condition operators", "Variables" is "IAM policy elements: Variables and tags", and "Resource" is
"IAM JSON policy elements: Resource".
"""

import json
import re
from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from ministack.core import iam_actions, iam_evaluator

from local_aws.adapter.identity import principals
from local_aws.guesses import Guess, explained, forget, rest_on

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_SPECIAL = {"*", "?", "$"}
# Variables work in statements of documents of this version only (Variables, "Where you can use").
_VERSION = "2012-10-17"
# Whether the statement that is looked at denies.
_denying: ContextVar[bool] = ContextVar("denying", default=False)


def evaluate_as_documented() -> None:
    """Put these rules in the place of ministack's."""
    iam_evaluator.parse_policy_document = _parsing(iam_evaluator.parse_policy_document)
    iam_evaluator._first_match = _first_match
    iam_evaluator._evaluate_single_condition = _condition_met
    iam_evaluator._principal_matches = principals.names
    iam_evaluator._names_caller = principals.names_itself
    iam_evaluator.evaluate_resource_policy = principals.evaluate_resource_policy
    iam_evaluator.evaluate_trust_policy = principals.trusts
    iam_evaluator._resource_policy = principals.or_trust_policy(iam_evaluator._resource_policy)
    for name in ("arnequals", "arnlike"):
        iam_evaluator._CONDITION_OPS[name] = _arn_like
        iam_evaluator._CONDITION_OPS[name.replace("arn", "arnnot")] = _arn_not_like
    inner = iam_evaluator._resolve_condition_key

    def resolve(key: str, context: Any) -> Any:
        # "For IAM roles, the request context returns the ARN of the role, not the ARN of the user
        # that assumed the role" (AWS global condition context keys, aws:PrincipalArn).
        if key.lower() == "aws:principalarn" and ":assumed-role/" in context.principal_arn:
            return principals.role_of(context.principal_arn)
        return inner(key, context)

    iam_evaluator._resolve_condition_key = resolve
    _say_guesses()


def _say_guesses() -> None:
    """Have denials name the guesses that they rest on."""
    enforce, denial = iam_evaluator.enforce, iam_actions.identity_denial_message

    def enforce_anew(*request: Any, **more: Any) -> Any:
        forget()
        return enforce(*request, **more)

    iam_evaluator.enforce = enforce_anew
    iam_actions.identity_denial_message = lambda *denied: explained(denial(*denied))


def _parsing(inner: Callable[..., Any]) -> Callable[..., Any]:
    def parse_policy_document(document: Any) -> Any:
        """Statements that know whether variables work in them."""
        parsed = inner(document)
        if isinstance(document, str) and parsed:
            document = json.loads(document)
        for statement in parsed:
            statement.variables = document.get("Version") == _VERSION
        return parsed

    return parse_policy_document


def _first_match(context: Any, statements: list[Any], effect: str) -> Any:
    """The first statement of an effect that applies to a request."""
    for statement in statements:
        if (
            statement.effect == effect
            and iam_evaluator._action_matches(
                context.action, statement.actions, statement.not_actions
            )
            and _resource_applies(statement, context)
            and _conditions_met(statement, context)
        ):
            return statement
    return None


def _resource_applies(statement: Any, context: Any) -> bool:
    patterns = statement.resources or statement.not_resources
    if not patterns:
        return True  # of a trust policy
    filled = [_filled(pattern, statement, context) for pattern in patterns]
    if statement.resources:
        return any(
            pattern is not None and _resource(pattern).fullmatch(context.resource_arn) is not None
            for pattern in filled
        )
    return all(
        pattern is not None and _resource(pattern).fullmatch(context.resource_arn) is None
        for pattern in filled
    )


@lru_cache(maxsize=4096)
def _resource(pattern: str) -> re.Pattern[str]:
    """Wildcards are within the segments between colons, but for a `*` that ends a segment.

    "If the * wildcard is the last character of a resource ARN segment, it can expand to match
    beyond the colon boundaries" (Resource).
    """
    if pattern == "*":
        return re.compile(".*", re.DOTALL)
    text = ""
    for place, letter in enumerate(_letters(pattern)):
        following = _letters(pattern)[place + 1 : place + 2]
        if letter == "*":
            text += ".*" if following in ([], [":"]) else "[^:]*"
        else:
            text += "[^:]" if letter == "?" else re.escape(letter.removeprefix("\0"))
    return re.compile(text, re.DOTALL)


def _letters(pattern: str) -> list[str]:
    """Of a pattern; a letter that stands for itself alone comes after a NUL, and with it."""
    return re.findall(r"\0.|[^\0]", pattern, re.DOTALL)


def _filled(text: str, statement: Any, context: Any) -> str | None:
    """A text with its variables' values; None if one has no value ("Variables": no match)."""
    if not statement.variables or "${" not in text:
        return text
    missing = False

    def value(found: re.Match[str]) -> str:
        nonlocal missing
        name, _, default = (part.strip() for part in found[1].partition(","))
        if name in _SPECIAL:
            return f"\0{name}"
        known = iam_evaluator._resolve_condition_key(name, context)
        if known is None and default:
            known = default.strip("'")
        # "You can't use a multivalued condition key as a variable" (Variables and tags).
        missing = missing or known is None or isinstance(known, list)
        return "".join(f"\0{letter}" if letter in _SPECIAL else letter for letter in str(known))

    filled = _VARIABLE.sub(value, text)
    return None if missing else filled


def _conditions_met(statement: Any, context: Any) -> bool:
    """All of a statement's conditions, with variables in string and ARN operators."""
    filled: dict[str, dict[str, list[str]]] = {}
    for operator, tests in statement.conditions.items():
        for key, expected in tests.items():
            listed = expected if isinstance(expected, list) else [expected]
            texts = [
                _filled(each, statement, context)
                if isinstance(each, str)
                else str(each).lower()
                if isinstance(each, bool)
                else str(each)
                for each in listed
            ]
            if None in texts:
                return False
            filled.setdefault(operator, {})[key] = [
                each if "like" in operator.lower() or "arn" in operator.lower() else _plain(each)
                for each in texts
                if each is not None
            ]
    token = _denying.set(statement.effect == "Deny")
    try:
        return bool(iam_evaluator._conditions_met(filled, context))
    finally:
        _denying.reset(token)


def _plain(text: str) -> str:
    return text.replace("\0", "")


def _condition_met(operator: str, actual: Any, expected: list[str]) -> bool:
    """One key against the values of one operator."""
    name, optional = operator.lower(), False
    if name == "null":
        # "true (the key doesn't exist - it is null) or false" (Operators, Null).
        return (actual is None) in {text.lower() == "true" for text in expected}
    if name.endswith("ifexists"):
        name, optional = name.removesuffix("ifexists"), True
    scope, _, plain = name.rpartition(":")
    compare = iam_evaluator._CONDITION_OPS.get(plain)
    if compare is None:
        return False
    negated = plain in iam_evaluator._NEGATED_OPS
    if actual is None:
        return optional or scope == "forallvalues" or (not scope and negated)
    values = [str(each) for each in actual] if isinstance(actual, list) else [str(actual)]

    def met(value: str) -> bool:
        # Several values are an OR; of a negated operator, a NOR (Multiple context keys or values).
        found = [_compared(compare, value, text) for text in expected]
        return all(found) if negated else any(found)

    if scope == "forallvalues":
        return all(met(value) for value in values)
    if scope != "foranyvalue" and len(values) > 1:
        # "You must use set operators with multivalued condition keys" (Creating a condition with
        # multiple keys or values); what happens without one is not said.
        rest_on(Guess.MANY_VALUES)
        if not _denying.get():
            return False
    return any(met(value) for value in values)


def _compared(compare: Callable[[str, str], bool], value: str, text: str) -> bool:
    return bool(compare(value, text))


def _arn_like(actual: str, expected: str) -> bool:
    """Whether all six components match: each "is checked separately" (Operators)."""
    have, want = actual.split(":", 5), expected.split(":", 5)
    return len(have) == len(want) and all(
        _component(pattern).fullmatch(part) is not None
        for part, pattern in zip(have, want, strict=True)
    )


def _arn_not_like(actual: str, expected: str) -> bool:
    return not _arn_like(actual, expected)


@lru_cache(maxsize=4096)
def _component(pattern: str) -> re.Pattern[str]:
    wild = {"*": ".*", "?": "."}
    text = "".join(wild.get(letter, re.escape(letter[-1])) for letter in _letters(pattern))
    return re.compile(text, re.DOTALL)


def is_operator(text: str) -> bool:
    """Whether IAM has a condition operator."""
    name = text.lower()
    if name == "null":
        return True
    scope, _, plain = name.removesuffix("ifexists").rpartition(":")
    return plain in iam_evaluator._CONDITION_OPS and scope in ("", "forallvalues", "foranyvalue")
