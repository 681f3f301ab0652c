"""Decisions as they were recorded, each with the policies that it was made under."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.permissions.statements import Document, Part, fits, listed, parts

# Sessions of who tries what is forbidden; what they are allowed shows no need.
ATTACK = "attack"
# AWS's own policies that the CDK attaches (AWS Managed Policy Reference).
_LOGS = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
_MANAGED: Mapping[str, Document] = {
    "AWSLambdaBasicExecutionRole": {
        "Statement": [{"Effect": "Allow", "Action": _LOGS, "Resource": "*"}]
    }
}


@dataclass(frozen=True)
class RecordedDecision:
    """One decision; its keys are those of `local_aws.adapter.identity.decisions`.

    Attributes:
        asked: The request, its context and its outcome.
        identity: What the principal's own policies consist of.
        resource: What the resource's policy, or the role's trust policy, consists of.
        has_resource_policy: Whether there is one.
        is_administrator: Whether a user or a role asks that no template of the project has made:
            the operator, or the CDK, who may do everything.
    """

    asked: Mapping[str, Any]
    identity: Sequence[Part]
    resource: Sequence[Part]
    has_resource_policy: bool
    is_administrator: bool

    @property
    def allowed(self) -> bool:
        return bool(self.asked["allowed"])

    @property
    def is_attack(self) -> bool:
        return str(self.asked["principal"]).endswith(f"/{ATTACK}")

    @cached_property
    def is_ours(self) -> bool:
        """Whether anything that a template grants bears on it."""
        return bool(self.identity or self.resource)


@dataclass
class Policies:
    """The policies that are deployed at a moment, by whom or what they are for.

    Args:
        templates: Those of each environment and configuration, by the stack's name without it.
    """

    templates: Sequence[Mapping[str, Document]]
    _identity: dict[str, dict[str, Sequence[Part]]] = field(default_factory=dict)
    _resource: dict[str, dict[str, Sequence[Part]]] = field(default_factory=dict)

    def deploy(self, line: Mapping[str, Any]) -> None:
        """Take in one recorded resource; those of other apps' stacks are left out."""
        stage = stage_of(line["stack"])
        written = stage and self._written(stage, line)
        if not written:
            return
        key, made = f"{line['stack']} {line['logical_id']}", line["properties"]
        for holder, suffix, template, document in documents(line["type"], written, made):
            found = list(parts(f"{stage}/{line['logical_id']}{suffix}", template, document))
            place = self._identity if holder == "identity" else self._resource
            for name in self._names(holder, line):
                place.setdefault(name, {})[key + suffix] = found

    def _written(self, stage: str, line: Mapping[str, Any]) -> Document | None:
        for template in self.templates:
            body = template.get(stage, {}).get("Resources", {}).get(line["logical_id"])
            if body and fits(policies_of(body["Properties"]), policies_of(line["properties"])):
                found: Document = body["Properties"]
                return found
        return None

    def _names(self, holder: str, line: Mapping[str, Any]) -> Iterator[str]:
        """Roles by name, and resources by the end of their ARN."""
        kind, made, physical = line["type"], line["properties"], str(line["physical_id"])
        match kind:
            case "AWS::IAM::Role":
                yield physical if holder == "identity" else f"role/{physical}"
            case "AWS::IAM::Policy" | "AWS::IAM::ManagedPolicy":
                yield from made.get("Roles", ())
            case "AWS::S3::BucketPolicy":
                yield str(made["Bucket"])
            case "AWS::SQS::QueuePolicy":
                yield from (str(url).rpartition("/")[2] for url in made["Queues"])
            case "AWS::SNS::TopicPolicy":
                yield from (str(arn).rpartition(":")[2] for arn in made["Topics"])
            case "AWS::KMS::Key":
                yield f"key/{physical}"
            case "AWS::ECR::Repository":
                yield f"repository/{physical}"
            case "AWS::Lambda::Permission":
                yield f"function:{str(made['FunctionName']).rpartition(':')[2]}"

    def decision(self, asked: Mapping[str, Any]) -> RecordedDecision:
        """A recorded decision with what applies to it now."""
        resource = self._resource.get(_policy_holder(asked))
        return RecordedDecision(
            asked,
            list(self._of_principal(asked)),
            [part for parts in (resource or {}).values() for part in parts],
            resource is not None,
            asked["service"] is None and f"role/{_role(asked)}" not in self._resource,
        )

    def _of_principal(self, asked: Mapping[str, Any]) -> Iterable[Part]:
        found = self._identity.get(_role(asked), {})
        return (part for parts in found.values() for part in parts)


def read(file: Path, templates: Sequence[Mapping[str, Document]]) -> list[RecordedDecision]:
    """The decisions of a recording, in order."""
    policies, found = Policies(templates), []
    with file.open() as lines:
        for line in map(json.loads, lines):
            if "type" in line:
                policies.deploy(line)
            else:
                found.append(policies.decision(line))
    return found


def stage_of(stack: str) -> str:
    """What the CDK calls a stack of this project: `DataLake` of `fraudloop-local-data-lake`."""
    product, _, rest = stack.partition("-")
    if product != "fraudloop":
        return ""
    return "".join(word.title() for word in rest.partition("-")[2].split("-"))


def policies_of(properties: Document) -> Document:
    """Those properties that are policies, or say whom they are for."""
    kept = {"AssumeRolePolicyDocument", "Policies", "PolicyDocument", "KeyPolicy"}
    kept |= {"RepositoryPolicyText", "ManagedPolicyArns", "Principal", "SourceArn", "Action"}
    return {key: value for key, value in properties.items() if key in kept}


def documents(
    kind: str, written: Document, made: Document
) -> Iterator[tuple[str, str, Document, Document]]:
    """What holds a document (`identity` or `resource`), which of several, and it, twice."""
    match kind:
        case "AWS::IAM::Role":
            trust = "AssumeRolePolicyDocument"
            yield "resource", " (trust)", written[trust], made[trust]
            pairs = [listed(each.get("Policies", [])) for each in (written, made)]
            for own, resolved in zip(*pairs, strict=True):
                name = f" ({own['PolicyName']})"
                yield "identity", name, own["PolicyDocument"], resolved["PolicyDocument"]
            for arn in made.get("ManagedPolicyArns", ()):
                name = json.dumps(arn).strip('"}').rpartition("/")[2]
                yield "identity", f" ({name})", _MANAGED[name], _MANAGED[name]
        case "AWS::IAM::Policy" | "AWS::IAM::ManagedPolicy":
            yield "identity", "", written["PolicyDocument"], made["PolicyDocument"]
        case "AWS::Lambda::Permission":
            yield "resource", "", _permission(written), _permission(made)
        case _:
            for key in ("PolicyDocument", "KeyPolicy", "RepositoryPolicyText"):
                if key in written:
                    yield "resource", "", written[key], made[key]


def _permission(properties: Document) -> Document:
    """What AddPermission makes of its arguments."""
    keys = {"SourceArn": "ArnLike", "SourceAccount": "StringEquals"}
    conditions = {
        operator: {f"aws:{key}": properties[key]}
        for key, operator in keys.items()
        if key in properties
    }
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": properties["Principal"]},
        "Action": properties["Action"],
        "Resource": properties["FunctionName"],
    }
    return {"Statement": [statement | ({"Condition": conditions} if conditions else {})]}


def _role(asked: Mapping[str, Any]) -> str:
    principal = str(asked["principal"])
    return principal.split("/")[1] if ":assumed-role/" in principal else ""


def _policy_holder(asked: Mapping[str, Any]) -> str:
    """The end of the resource's ARN by which a policy of its own is known."""
    service, tail = str(asked["action"]).partition(":")[0], str(asked["resource"])
    last = tail.split(":", 5)[-1]
    match service:
        case "s3":
            return last.partition("/")[0]
        case "lambda":
            return ":".join(last.split(":")[:2])
        case "sts":
            return f"role/{last.rpartition('/')[2]}"
        case _:
            return last
