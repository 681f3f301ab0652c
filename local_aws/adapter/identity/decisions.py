"""Every authorization decision, written down for whoever asks which permissions are needed.

All of them pass the evaluator: requests and what services do as a role through `enforce`, what a
service does as itself through `evaluate_resource_policy`. The policies that CloudFormation
deploys are written to the same file in the order of events, so that it holds all that a decision
followed from but what was made by hand.
"""

import json
import re
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from ministack.core import iam_evaluator
from ministack.services.cloudformation import stacks

POLICY_TYPES = {
    "AWS::ECR::Repository",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::Lambda::Permission",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
}
_NAMES = re.compile(r"[0-9a-f]{8,}|\d+", re.IGNORECASE)
_context: ContextVar[list[Any] | None] = ContextVar("decision_context", default=None)


def record_decisions(file: Path) -> None:
    """Append every decision, and every policy that is deployed, to a file of JSON lines.

    Of decisions that differ in numbers and ids alone, the first is written.
    """
    file.touch(mode=0o600)
    record = _Record(file)
    _record_requests(record)
    _record_services(record)
    _record_policies(record)


class _Record:
    def __init__(self, file: Path) -> None:
        self._file, self._seen, self._writing = file, set[str](), threading.Lock()

    def decision(self, context: Any, service: str | None, *, allowed: bool) -> None:
        line = {
            "principal": context.principal_arn,
            "principal_type": context.principal_type,
            "account": context.principal_account,
            "service": service,
            "action": context.action,
            "resource": context.resource_arn,
            "region": context.region,
            "secure": context.secure_transport,
            "keys": dict(context.service_context),
            "principal_keys": dict(context.principal_keys),
            "allowed": allowed,
        }
        told = {**line, "principal": context.principal_arn.rpartition("/")[0]}
        told.pop("principal_keys")
        form = _NAMES.sub("#", json.dumps(told, sort_keys=True, default=str))
        with self._writing:
            if form not in self._seen:
                self._seen.add(form)
                self._write(line)

    def policy(self, line: Mapping[str, Any]) -> None:
        """A policy as it is from now on: under it, what was decided before counts anew."""
        with self._writing:
            self._seen.clear()
            self._write(line)

    def _write(self, line: Mapping[str, Any]) -> None:
        with self._file.open("a") as file:
            file.write(json.dumps(line, default=str) + "\n")


def _record_requests(record: _Record) -> None:
    evaluate, enforce = iam_evaluator.evaluate, iam_evaluator.enforce

    def evaluate_noted(context: Any, policies: Any, *limits: Any) -> Any:
        if (noted := _context.get()) is not None and not noted:
            noted.append(context)
        return evaluate(context, policies, *limits)

    def enforce_recorded(*args: Any, **options: Any) -> Any:
        noted: list[Any] = []
        token = _context.set(noted)
        try:
            refused = enforce(*args, **options)
        finally:
            _context.reset(token)
        if noted:
            record.decision(noted[0], None, allowed=refused is None)
        return refused

    iam_evaluator.evaluate, iam_evaluator.enforce = evaluate_noted, enforce_recorded


def _record_services(record: _Record) -> None:
    inner = iam_evaluator.evaluate_resource_policy

    def evaluate_resource_policy(doc: Any, ctx: Any, service: Any = None, **options: Any) -> Any:
        result = inner(doc, ctx, service=service, **options)
        if service is not None:
            record.decision(ctx, service, allowed=result.decision == "Allow")
        return result

    iam_evaluator.evaluate_resource_policy = evaluate_resource_policy


def _record_policies(record: _Record) -> None:
    create, update = stacks._provision_resource, stacks._update_resource

    def note(kind: str, stack: str, logical_id: str, physical_id: Any, properties: Any) -> None:
        if kind in POLICY_TYPES:
            record.policy(
                {
                    "type": kind,
                    "stack": stack,
                    "logical_id": logical_id,
                    "physical_id": physical_id,
                    "properties": properties,
                }
            )

    def provision_resource(
        kind: str, logical_id: str, properties: dict[str, Any], stack_name: str
    ) -> Any:
        made = create(kind, logical_id, properties, stack_name)
        note(kind, stack_name, logical_id, made[0], properties)
        return made

    def update_resource(
        kind: str, physical_id: str, old: Any, new: Any, stack_name: str, *rest: Any
    ) -> Any:
        made = update(kind, physical_id, old, new, stack_name, *rest)
        note(kind, stack_name, rest[0] if rest else "", made[0] or physical_id, new)
        return made

    stacks._provision_resource, stacks._update_resource = provision_resource, update_resource
