"""Deciding a recorded request again, under the policies of then or others, by the one evaluator."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ministack.core import iam_evaluator

from benchmarks.permissions.recorded import RecordedDecision
from benchmarks.permissions.statements import Document, Part

Change = Callable[[Part], Document | None]
_ADMINISTRATOR = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def unchanged(part: Part) -> Document | None:
    """No change."""
    return part.statement


def allowed(decision: RecordedDecision, change: Change = unchanged) -> bool:
    """Whether a request is allowed once each part is changed, or left out where that is None."""
    asked, context = decision.asked, context_of(decision.asked)
    resource = _document(decision.resource, change)
    if asked["service"] is not None:
        result = iam_evaluator.evaluate_resource_policy(resource, context, service=asked["service"])
        return bool(result.decision == "Allow")
    identity = _document(decision.identity, change)
    if decision.is_administrator:
        identity["Statement"].append(_ADMINISTRATOR)
    result = iam_evaluator.evaluate(context, [iam_evaluator.parse_policy_document(identity)])
    if decision.has_resource_policy:
        service = context.action.partition(":")[0]
        result = iam_evaluator.combine_resource_policy(
            result,
            context,
            resource,
            asked["account"],
            # A role's trust policy must allow, too, whatever the caller's own says.
            required=service in {*iam_evaluator._POLICY_REQUIRED, "sts"},
        )
    return bool(result.decision == "Allow")


def applies(part: Part, decision: RecordedDecision) -> bool:
    """Whether a part alone is about a request, whatever its effect."""
    context, service = context_of(decision.asked), decision.asked["service"]
    statement = {**part.statement, "Effect": "Allow"}
    if "Principal" not in statement:
        statement["Principal"] = "*"
    result = iam_evaluator.evaluate_resource_policy({"Statement": [statement]}, context, service)
    return bool(result.decision == "Allow")


def context_of(asked: Mapping[str, Any]) -> Any:
    """The evaluator's context of a recorded request."""
    return iam_evaluator.EvalContext(
        principal_arn=asked["principal"],
        principal_type=asked["principal_type"],
        principal_account=asked["account"],
        action=asked["action"],
        resource_arn=asked["resource"],
        region=asked["region"],
        source_ip="127.0.0.1",
        secure_transport=asked["secure"],
        service_context=dict(asked["keys"]),
        principal_keys=dict(asked["principal_keys"]),
    )


def _document(parts: Sequence[Part], change: Change) -> dict[str, Any]:
    changed = (change(part) for part in parts)
    return {"Statement": [statement for statement in changed if statement is not None]}


def changed_conditions(part: Part) -> list[tuple[str, Document]]:
    """Each condition of a part with another value: what was changed, and the statement then."""
    found: list[tuple[str, Document]] = []
    conditions = part.statement.get("Condition", {})
    for operator, keys in conditions.items():
        for key, value in keys.items():
            other = {**conditions, operator: {**keys, key: _other(operator, value)}}
            found.append((f"{operator} {key}", {**part.statement, "Condition": other}))
    return found


def _other(operator: str, value: Any) -> Any:
    """A value that what was compared with the one before is not to satisfy."""
    if isinstance(value, list):
        return [_other(operator, each) for each in value]
    text = json.dumps(value) if isinstance(value, bool) else str(value)
    if text in {"true", "false"}:
        return "false" if text == "true" else "true"
    if operator.startswith("Numeric"):
        return "-1"
    return f"not-{text}"
