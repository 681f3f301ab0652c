"""The graph of what talks to what, read out of synthesized templates.

A node is a resource that holds data or does work. An edge is a reference, a grant or a trigger
between two of them; roles, queues, models and rules in between are followed and left out.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from operations.documentation.references import flat, references, spelled_resources

__all__ = ["KINDS", "Edge", "Topology"]

# The types of nodes: the property that names one, and how ARNs and events spell the name.
KINDS: Mapping[str, Sequence[str]] = {
    "AWS::Glue::Table": (),
    "AWS::Kinesis::Stream": ("Name",),
    "AWS::KinesisFirehose::DeliveryStream": (),
    "AWS::Lambda::Function": (),
    "AWS::S3::Bucket": (),
    "AWS::SageMaker::Endpoint": ("EndpointName", ":endpoint/{}", "EndpointName {}"),
    "AWS::SageMaker::FeatureGroup": ("FeatureGroupName", ":feature-group/{}"),
    "AWS::SageMaker::ModelPackageGroup": (
        "ModelPackageGroupName",
        ":model-package/{}",
        "ModelPackageGroupName {}",
    ),
    "AWS::SageMaker::Pipeline": ("PipelineName", ":pipeline/{}"),
    "Custom::SeededParameter": ("ParameterName", ":parameter{}", "name {}"),
}
# Grants that say which way data goes, or who calls whom; others only go with these.
_READS = re.compile(r"(s3:GetObject|sagemaker:(Batch)?GetRecord|kinesis:GetRecords)$")
_WRITES = re.compile(
    r"(s3:PutObject|kinesis:PutRecords?|lambda:InvokeFunction|ssm:PutParameter"
    r"|sagemaker:(BatchWriteRecord|PutRecord|StartPipelineExecution"
    r"|CreateModelPackage|UpdateEndpoint|UpdateModelPackage|UpdatePipeline))$"
)


class Edge(NamedTuple):
    """Data or a call that goes from one node to another; or an event, if it is one."""

    source: str
    target: str
    is_event: bool = False


class Topology:
    """The nodes and edges of a cloud assembly; a node is STACK/LOGICAL_ID.

    Topology(Path("cdk.out")).edges

    Args:
        assembly: The folder that `cdk synth` wrote.
    """

    def __init__(self, assembly: Path) -> None:
        self._resources = spelled_resources(assembly)

    def kind(self, name: str) -> str:
        """A resource's type."""
        return str(self._resources[name]["Type"])

    def given_name(self, node: str) -> str | None:
        """The physical name that a node's template gives it, if it does."""
        properties = self._resources[node].get("Properties", {})
        for name in KINDS[self.kind(node)][:1]:
            return str(properties[name])
        return None

    @cached_property
    def nodes(self) -> Sequence[str]:
        """In the templates' order, without the handlers of custom resources."""
        handlers = {
            handler
            for body in self._resources.values()
            for handler in references(body.get("Properties", {}).get("ServiceToken", ""))
        }
        found = [name for name in self._resources if self.kind(name) in KINDS]
        return [name for name in found if name not in handlers]

    @cached_property
    def edges(self) -> frozenset[Edge]:
        """All edges between different nodes."""
        found = [*self._granted(), *self._queued_and_streamed(), *self._sent(), *self._located()]
        return frozenset(edge for edge in found if edge.source != edge.target)

    def _of_type(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for name, body in self._resources.items():
            if body["Type"] == kind:
                yield name, body.get("Properties", {})

    @cached_property
    def _spellings(self) -> Mapping[str, re.Pattern[str]]:
        """What finds a node where it is named, not referred to."""
        return {
            node: re.compile(
                "|".join(re.escape(form.format(name)) + r"(?![\w-])" for form in forms)
            )
            for node in self.nodes
            if (name := self.given_name(node)) and (forms := KINDS[self.kind(node)][1:])
        }

    def _mentioned(self, value: Any) -> set[str]:
        """The nodes that a value refers to or names."""
        text = flat(value)
        named = {node for node, spelling in self._spellings.items() if spelling.search(text)}
        return named | (references(value) & {*self.nodes})

    @cached_property
    def _holders(self) -> Mapping[str, set[str]]:
        """The nodes that refer to a resource, directly or through resources that are no nodes."""
        found: dict[str, set[str]] = defaultdict(set)
        between = self._resources.keys() - {*self.nodes}
        for node in self.nodes:
            reached = ahead = {node}
            while ahead:
                read = {each for name in ahead for each in references(self._body(name))}
                ahead = (read & between) - reached
                reached = reached | ahead
            for name in reached:
                found[name].add(node)
        return found

    def _body(self, name: str) -> Mapping[str, Any]:
        body: Mapping[str, Any] = self._resources[name].get("Properties", {})
        return body

    @cached_property
    def _statements(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """Every statement of a policy with each node that acts by it."""
        return [
            (holder, statement)
            for _, policy in self._of_type("AWS::IAM::Policy")
            for role in references(policy["Roles"])
            for holder in self._holders.get(role, ())
            for statement in policy["PolicyDocument"]["Statement"]
        ]

    def _granted(self) -> Iterator[Edge]:
        for holder, statement in self._statements:
            actions = statement["Action"]
            each = actions if isinstance(actions, list) else [actions]
            for node in self._mentioned(statement["Resource"]):
                if any(map(_READS.match, each)):
                    yield Edge(node, holder)
                if any(map(_WRITES.match, each)):
                    yield Edge(holder, node)

    @cached_property
    def _polled(self) -> Mapping[str, set[str]]:
        """The functions that Lambda calls with what it reads, by the stream or queue."""
        found: dict[str, set[str]] = defaultdict(set)
        for _, mapping in self._of_type("AWS::Lambda::EventSourceMapping"):
            for source in references(mapping["EventSourceArn"]):
                found[source] |= self._mentioned(mapping["FunctionName"])
        return found

    def _queued_and_streamed(self) -> Iterator[Edge]:
        for source in self._polled.keys() & {*self.nodes}:
            yield from (Edge(source, function) for function in self._polled[source])

    def _sent(self) -> Iterator[Edge]:
        """Events that a rule passes on to a function, also through a queue."""
        for _, rule in self._of_type("AWS::Events::Rule"):
            called = {name for each in rule["Targets"] for name in references(each["Arn"])}
            targets = {each for name in called for each in self._polled.get(name, {name})}
            for sender in self._senders(rule.get("EventPattern", {})):
                yield from (Edge(sender, target, True) for target in targets)

    def _senders(self, pattern: Mapping[str, Any]) -> set[str]:
        """The nodes that a rule listens to: named, acting as a named role, or allowed to send."""
        senders = self._mentioned(pattern)
        for name in references(pattern):
            senders |= self._holders.get(name, set())
        for holder, statement in self._statements:
            sent = statement.get("Condition", {}).get("StringEquals", {}).get("events:source")
            if sent in pattern.get("source", ()):
                senders.add(holder)
        return senders

    def _located(self) -> Iterator[Edge]:
        """Tables and offline stores, which say in which bucket their files are."""
        for table, body in self._of_type("AWS::Glue::Table"):
            for bucket in self._mentioned(body["TableInput"]["StorageDescriptor"]["Location"]):
                yield Edge(bucket, table)
        for group, body in self._of_type("AWS::SageMaker::FeatureGroup"):
            for bucket in self._mentioned(body["OfflineStoreConfig"]):
                yield Edge(group, bucket)
