"""The evaluator held to what the IAM User Guide documents, section by section."""

from collections.abc import Iterator
from typing import Any

import pytest
from ministack.core import iam_actions, iam_evaluator

from local_aws.adapter import evaluate_as_documented
from local_aws.adapter.identity.identity import request_scope

ACCOUNT = "123456789012"
USER = f"arn:aws:iam::{ACCOUNT}:user/bob"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/app"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/app/one"
OBJECT = "arn:aws:s3:::amzn-s3-demo-bucket/home/bob/a"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"
ALLOW, DENY, NEITHER = "Allow", "Deny", "ImplicitDeny"


@pytest.fixture(scope="module", autouse=True)
def documented() -> Iterator[None]:
    """The rules are put into the emulator's modules, and taken out of them again."""
    before = {**vars(iam_evaluator)}
    denial = iam_actions.identity_denial_message
    operators = {**iam_evaluator._CONDITION_OPS}
    evaluate_as_documented()
    with request_scope(ACCOUNT, "us-east-1"):
        yield
    vars(iam_evaluator).update(before)
    iam_evaluator._CONDITION_OPS.update(operators)
    iam_actions.identity_denial_message = denial


def may(**more: Any) -> dict[str, Any]:
    """A statement that allows everything, but for what is given."""
    found = {"Effect": "Allow", "Action": "*", "Resource": "*"} | more
    return {key: value for key, value in found.items() if value is not None}


def policy(*statements: dict[str, Any], version: str | None = "2012-10-17") -> dict[str, Any]:
    return {"Statement": list(statements)} | ({"Version": version} if version else {})


def context(
    principal: str = USER, action: str = "s3:GetObject", resource: str = OBJECT, **keys: Any
) -> Any:
    own = {name.lower(): value for name, value in keys.get("keys", {}).items()}
    return iam_evaluator.EvalContext(
        principal_arn=principal,
        principal_type="User",
        principal_account=ACCOUNT,
        action=action,
        resource_arn=resource,
        region="us-east-1",
        service_context=own,
        principal_keys={"aws:username": "bob"},
    )


def decide(asked: Any, *policies: dict[str, Any], limits: tuple[Any, ...] = ()) -> str:
    parsed = [iam_evaluator.parse_policy_document(each) for each in policies]
    layers = [[iam_evaluator.parse_policy_document(limit)] for limit in limits]
    return str(iam_evaluator.evaluate(asked, parsed, *layers).decision)


# IAM JSON policy elements: Action, NotAction, Resource, NotResource, Effect
STATEMENTS = [
    (may(Action="s3:GetObject"), ALLOW),
    (may(Action="S3:getobject"), ALLOW),  # "prefix and action name are case insensitive"
    (may(Action="s3:Get*"), ALLOW),
    (may(Action="s3:GetObjec?"), ALLOW),
    (may(Action="s3:Get"), NEITHER),
    (may(Action=["s3:Put*", "sqs:*"]), NEITHER),
    (may(Action=None, NotAction="iam:*"), ALLOW),
    (may(Action=None, NotAction="s3:*"), NEITHER),
    (may(Action=None, NotAction=["s3:Put*", "s3:Get*"]), NEITHER),
    (may(Resource=OBJECT), ALLOW),
    (may(Resource=OBJECT.upper()), NEITHER),
    (may(Resource="arn:aws:s3:::amzn*"), ALLOW),
    (may(Resource="arn:aws:s3:::amzn-s3-demo-bucket"), NEITHER),
    (may(Resource="arn:aws:s3:::amzn-s3-demo-bucket/home/???/a"), ALLOW),
    (may(Resource="arn:aws:s3:::amzn-s3-demo-bucket/home/????/a"), NEITHER),
    (may(Resource="arn:aws:s3:::*/a"), ALLOW),
    (may(Resource="arn:*:s3:::*"), ALLOW),
    (may(Resource=None, NotResource="arn:aws:s3:::other/*"), ALLOW),
    (may(Resource=None, NotResource="arn:aws:s3:::amzn-s3-demo-bucket/*"), NEITHER),
    (may(Effect="Deny"), DENY),
    (may(Resource="${aws:username}"), NEITHER),
    # Variables and tags
    (may(Resource="arn:aws:s3:::amzn-s3-demo-bucket/home/${aws:username}/*"), ALLOW),
    (may(Resource="arn:aws:s3:::amzn-s3-demo-bucket/home/${AWS:UserName}/*"), ALLOW),
    (may(Resource="arn:aws:s3:::amzn-s3-demo-bucket/${aws:PrincipalTag/team}/*"), NEITHER),
    (may(Resource="arn:aws:s3:::amzn-s3-demo-bucket/${aws:PrincipalTag/team, 'home'}/*"), ALLOW),
    (may(Resource="arn:aws:s3:::amzn-s3-demo-bucket/home/bob/${*}"), NEITHER),
    (may(Resource="arn:aws:s3:::amzn-s3-demo-bucket/home/bob/${?}"), NEITHER),
]


@pytest.mark.parametrize(("statement", "decision"), STATEMENTS)
def test_statements(statement: dict[str, Any], decision: str) -> None:
    assert decide(context(), policy(statement)) == decision


@pytest.mark.parametrize("version", [None, "2008-10-17"])
def test_variables_are_text_in_documents_of_the_old_version(version: str | None) -> None:
    named = may(Resource="arn:aws:s3:::amzn-s3-demo-bucket/home/${aws:username}/*")
    assert decide(context(), policy(named, version=version)) == NEITHER
    literal = context(resource="arn:aws:s3:::amzn-s3-demo-bucket/home/${aws:username}/a")
    assert decide(literal, policy(named, version=version)) == ALLOW


@pytest.mark.parametrize("letter", ["*", "?", "$"])
def test_escaped_wildcards_are_letters(letter: str) -> None:
    named = may(Resource=f"arn:aws:s3:::b/${{{letter}}}")
    assert decide(context(resource=f"arn:aws:s3:::b/{letter}"), policy(named)) == ALLOW
    assert decide(context(resource="arn:aws:s3:::b/x"), policy(named)) == NEITHER


def test_a_value_of_a_variable_has_no_wildcards() -> None:
    named = may(Resource="arn:aws:s3:::b/${aws:PrincipalTag/team}/*")
    asked = context(resource="arn:aws:s3:::b/x/y", keys={"aws:PrincipalTag/team": "*"})
    assert decide(asked, policy(named)) == NEITHER


# AWS JSON policy elements: Resource, "wildcards within segments"
@pytest.mark.parametrize(
    ("pattern", "decision"),
    [
        (f"arn:aws:sqs:*:{ACCOUNT}:q", ALLOW),
        ("arn:aws:sqs:us-*:q", ALLOW),  # ends its segment, so it goes on beyond the colon
        ("arn:aws:sqs:us-*st-1:*:q", ALLOW),
        ("arn:aws:sqs:us*1:q", NEITHER),  # does not end its segment
        ("arn:aws:sqs:*", ALLOW),
        ("arn:aws:sqs:*:*:?", ALLOW),
        ("arn:aws:s*s:us-east-1:*", ALLOW),
    ],
)
def test_wildcards_of_resources(pattern: str, decision: str) -> None:
    asked = context(action="sqs:SendMessage", resource=QUEUE)
    assert decide(asked, policy(may(Resource=pattern))) == decision


# IAM JSON policy elements: Condition operators; a key's value is given as k
TAGS = ["preprod", "storage"]
CONDITIONS: list[tuple[str, Any, Any, bool]] = [
    ("StringEquals", "a", "a", True),
    ("StringEquals", "a", "A", False),
    ("StringEquals", ["a", "b"], "b", True),
    ("StringEquals", "a*", "ab", False),
    ("StringEquals", "a", None, False),
    ("StringNotEquals", "a", "b", True),
    ("StringNotEquals", ["a", "b"], "b", False),
    ("StringNotEquals", "a", None, True),
    ("StringEqualsIgnoreCase", "a", "A", True),
    ("StringNotEqualsIgnoreCase", "a", "A", False),
    ("StringLike", "a*", "ab", True),
    ("StringLike", "A*", "ab", False),
    ("StringLike", "a?", "abc", False),
    ("StringNotLike", ["a*", "b*"], "bc", False),
    ("StringNotLike", ["a*", "b*"], "c", True),
    ("StringLike", "${aws:username}/*", "bob/x", True),
    ("StringEquals", "${aws:username}", "eve", False),
    ("NumericEquals", "10", "10.0", True),
    ("NumericNotEquals", "10", "10", False),
    ("NumericLessThan", "10", "9", True),
    ("NumericLessThan", "10", "10", False),
    ("NumericLessThanEquals", "10", "10", True),
    ("NumericGreaterThan", 10, "11", True),
    ("NumericGreaterThanEquals", "10", "9", False),
    ("NumericEquals", "10", "ten", False),
    ("DateEquals", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", True),
    ("DateLessThan", "2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z", True),
    ("DateGreaterThan", "2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z", False),
    ("DateLessThan", "1767225600", "2025-12-31T23:59:59Z", True),  # in epoch time
    ("Bool", "true", "true", True),
    ("Bool", True, "true", True),
    ("Bool", "false", "true", False),
    ("Bool", "false", None, False),
    ("BoolIfExists", "false", None, True),
    ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", True),
    ("BinaryEquals", "QmluYXJ5", "Qmlu", False),
    ("IpAddress", "203.0.113.0/24", "203.0.113.9", True),
    ("IpAddress", "203.0.113.9", "203.0.113.9", True),
    ("IpAddress", "203.0.113.0/24", "198.51.100.1", False),
    ("IpAddress", "2001:db8::/32", "2001:db8::1", True),
    ("NotIpAddress", "203.0.113.0/24", "203.0.113.9", False),
    ("NotIpAddress", ["203.0.113.0/24", "198.51.100.0/24"], "192.0.2.1", True),
    ("ArnEquals", f"arn:aws:sqs:*:{ACCOUNT}:*", QUEUE, True),
    ("ArnLike", "arn:aws:sqs:*", QUEUE, False),  # each component is checked separately
    ("ArnLike", "arn:aws:s*:us-*:*:?", QUEUE, True),
    ("ArnLike", "arn:aws:sqs:us-east-1:*", "arn:aws:sqs:us-east-1:1:q", False),
    ("ArnLike", "arn:aws:events:*:*:rule/*/x", "arn:aws:events:r:1:rule/b/x", True),
    ("ArnNotLike", f"arn:aws:sqs:*:{ACCOUNT}:*", QUEUE, False),
    ("ArnNotEquals", "arn:aws:sqs:*:999999999999:*", QUEUE, True),
    ("Null", "true", None, True),
    ("Null", "true", "a", False),
    ("Null", "false", "a", True),
    ("Null", False, None, False),
    ("StringEqualsIfExists", "a", None, True),
    ("StringEqualsIfExists", "a", "b", False),
    ("StringNotEqualsIfExists", "a", None, True),
    ("ForAllValues:StringEquals", ["preprod", "storage", "x"], TAGS, True),
    ("ForAllValues:StringEquals", ["preprod"], TAGS, False),
    ("ForAllValues:StringEquals", ["preprod"], None, True),
    ("ForAllValues:StringEquals", ["preprod"], [], True),
    ("ForAllValues:StringLike", ["*o*"], TAGS, True),
    ("ForAllValues:StringNotEquals", ["x"], TAGS, True),
    ("ForAllValues:StringNotEquals", ["storage"], TAGS, False),
    ("ForAnyValue:StringEquals", ["storage"], TAGS, True),
    ("ForAnyValue:StringEquals", ["x"], TAGS, False),
    ("ForAnyValue:StringEquals", ["x"], None, False),
    ("ForAnyValue:StringNotEquals", ["storage"], TAGS, True),
    ("ForAnyValue:StringNotEquals", ["storage"], None, False),
    ("StringEquals", "preprod", TAGS, False),
    ("StringNotEquals", "x", TAGS, False),
    ("StringMatches", "a", "a", False),
]


@pytest.mark.parametrize(("operator", "expected", "actual", "met"), CONDITIONS)
def test_conditions(operator: str, expected: Any, actual: Any, met: bool) -> None:
    statement = may(Condition={operator: {"test:K": expected}})
    asked = context(keys={} if actual is None else {"test:k": actual})
    assert decide(asked, policy(statement)) == (ALLOW if met else NEITHER)


@pytest.mark.parametrize(
    ("operator", "expected", "decision"),
    [
        ("StringEquals", "preprod", DENY),
        ("StringEquals", "x", ALLOW),
        ("StringNotEquals", "preprod", DENY),
        ("StringNotEquals", ["preprod", "storage"], ALLOW),
    ],
)
def test_an_operator_for_one_value_denies_if_any_of_many_meets_it(
    operator: str, expected: Any, decision: str
) -> None:
    denying = may(Effect="Deny", Condition={operator: {"test:K": expected}})
    assert decide(context(keys={"test:k": TAGS}), policy(may(), denying)) == decision


def test_all_keys_and_all_operators_must_be_met() -> None:
    tests = {"StringEquals": {"test:a": "1", "test:b": "2"}, "Bool": {"test:c": "true"}}
    statement = policy(may(Condition=tests))
    keys = {"test:a": "1", "test:b": "2", "test:c": "true"}
    assert decide(context(keys=keys), statement) == ALLOW
    for key in keys:
        assert decide(context(keys=keys | {key: "x"}), statement) == NEITHER


# Policy evaluation logic: a boundary and session policies limit, an explicit deny is final
@pytest.mark.parametrize(
    ("identity", "limits", "decision"),
    [
        ([may()], [], ALLOW),
        ([may(), may(Effect="Deny", Action="s3:*")], [], DENY),
        ([may()], [may(Action="s3:*")], ALLOW),
        ([may()], [may(Action="sqs:*")], NEITHER),
        ([may()], [may(), may(Action="sqs:*")], NEITHER),
        ([], [may()], NEITHER),
        ([may()], [may(Effect="Deny")], DENY),
    ],
)
def test_layers(identity: list[Any], limits: list[Any], decision: str) -> None:
    layers = tuple(policy(limit) for limit in limits)
    assert decide(context(), policy(*identity), limits=layers) == decision


# AWS JSON policy elements: Principal and NotPrincipal
PRINCIPALS: list[tuple[str, Any, str, bool]] = [
    ("Principal", "*", USER, True),
    ("Principal", {"AWS": "*"}, SESSION, True),
    ("Principal", {"AWS": USER}, USER, True),
    ("Principal", {"AWS": USER.upper()}, USER, False),
    ("Principal", {"AWS": [ROLE, USER]}, USER, True),
    ("Principal", {"AWS": ACCOUNT}, USER, True),
    ("Principal", {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, SESSION, True),
    ("Principal", {"AWS": "999999999999"}, USER, False),
    ("Principal", {"AWS": f"arn:aws:iam::{ACCOUNT}:user/*"}, USER, False),
    ("Principal", {"AWS": ROLE}, SESSION, True),
    ("Principal", {"AWS": SESSION}, SESSION, True),
    ("Principal", {"AWS": SESSION.replace("one", "two")}, SESSION, False),
    ("Principal", {"AWS": ROLE + "2"}, SESSION, False),
    ("Principal", {"Service": "s3.amazonaws.com"}, USER, False),
    ("Principal", {"Service": "s3.amazonaws.com"}, f"arn:aws:iam::{ACCOUNT}:root", False),
    ("Principal", {"Federated": USER}, USER, False),
    ("NotPrincipal", {"AWS": "999999999999"}, USER, False),
]


@pytest.mark.parametrize(("element", "principal", "caller", "named"), PRINCIPALS)
def test_principals(element: str, principal: Any, caller: str, named: bool) -> None:
    document = policy(may() | {element: principal})
    found = iam_evaluator.evaluate_resource_policy(document, context(caller))
    assert found.decision == (ALLOW if named else NEITHER)
    if element == "Principal":
        trust = policy({"Effect": "Allow", "Action": "sts:AssumeRole", element: principal})
        assert iam_evaluator.evaluate_trust_policy(trust, caller) is named


def test_not_principal_denies_all_others() -> None:
    document = policy(may(), may(Effect="Deny", NotPrincipal={"AWS": USER}) | {"Principal": None})
    document["Statement"][0]["Principal"] = "*"
    del document["Statement"][1]["Principal"]
    assert iam_evaluator.evaluate_resource_policy(document, context(USER)).decision == ALLOW
    assert iam_evaluator.evaluate_resource_policy(document, context(SESSION)).decision == DENY


def test_a_services_policy_is_for_that_service() -> None:
    document = policy(may(Principal={"Service": "events.amazonaws.com"}))
    for service, decision in (("events.amazonaws.com", ALLOW), ("s3.amazonaws.com", NEITHER)):
        found = iam_evaluator.evaluate_resource_policy(document, context(""), service=service)
        assert found.decision == decision


# Policy evaluation logic, "Resource-based policies": whom a boundary limits
@pytest.mark.parametrize(
    ("principal", "caller", "decision"),
    [
        (USER, USER, ALLOW),  # the user's own ARN: no implicit deny of a boundary limits it
        (SESSION, SESSION, ALLOW),  # likewise the session's
        (ROLE, SESSION, NEITHER),  # the role's ARN: the boundary's implicit deny does
        (ACCOUNT, USER, NEITHER),  # the account: identity policies have to allow it, too
    ],
)
def test_boundaries_and_resource_policies(principal: str, caller: str, decision: str) -> None:
    asked = context(caller)
    neither = iam_evaluator.evaluate(asked, [])
    boundary = [iam_evaluator.parse_policy_document(policy(may(Action="sqs:*")))]
    document = policy(may(Principal={"AWS": principal}))
    found = iam_evaluator.combine_resource_policy(
        neither, asked, document, ACCOUNT, limits=(boundary,)
    )
    assert found.decision == decision


def test_a_sessions_principal_arn_is_the_roles() -> None:
    statement = may(Condition={"ArnEquals": {"aws:PrincipalArn": ROLE}})
    assert decide(context(SESSION), policy(statement)) == ALLOW
    assert decide(context(USER), policy(statement)) == NEITHER
