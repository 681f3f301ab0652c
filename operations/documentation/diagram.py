"""The picture of what talks to what, as Mermaid text drawn from synthesized templates."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from operations.documentation.topology import Topology

__all__ = ["BOXES", "diagram"]

# By the type of resource: what a box is called below the names in it, and the form of its line.
BOXES: Mapping[str, tuple[str, str]] = {
    "AWS::Glue::Table": ("Glue tables", '{box}[("{text}")]'),
    "AWS::Kinesis::Stream": ("Kinesis streams", '{box}[/"{text}"/]'),
    "AWS::KinesisFirehose::DeliveryStream": ("Firehose streams", '{box}[/"{text}"/]'),
    "AWS::Lambda::Function": ("Lambda functions", '{box}["{text}"]'),
    "AWS::S3::Bucket": ("S3 buckets", '{box}[("{text}")]'),
    "AWS::SageMaker::Endpoint": ("SageMaker endpoints", '{box}(["{text}"])'),
    "AWS::SageMaker::FeatureGroup": ("feature groups", '{box}[("{text}")]'),
    "AWS::SageMaker::ModelPackageGroup": ("model package groups", '{box}[("{text}")]'),
    "AWS::SageMaker::Pipeline": ("SageMaker pipelines", '{box}["{text}"]'),
    "Custom::SeededParameter": ("SSM parameters", '{box}[("{text}")]'),
}
_ALONE = frozenset({"AWS::S3::Bucket"})
# What the CDK or a construct adds to a name in a logical ID.
_ADDED = re.compile(
    r"^(Lake|Catalog)|(HandlerFunction|TransformationFunction|DeliveryStream)?[0-9A-F]{8}$"
)
# What every physical name opens with.
_ENVIRONMENT = re.compile(r"^fraudloop-[a-z0-9]+-|^/fraudloop/[a-z0-9]+/")
_WORD = re.compile(r"[A-Z]?[a-z]+\d*")


def diagram(assembly: Path) -> str:
    """A flowchart of a cloud assembly, fenced for Markdown.

    A box is all resources of one type in one stack, but each bucket is its own. An arrow goes
    where data or a call goes, a dotted one where an event does.

    Args:
        assembly: The folder that `cdk synth` wrote.
    """
    chart = _Chart(Topology(assembly))
    return "\n".join(["```mermaid", "flowchart LR", *chart.stacks(), *chart.arrows(), "```", ""])


class _Chart:
    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        talking = {name for edge in topology.edges for name in (edge.source, edge.target)}
        self._boxes = {node: self._box(node) for node in topology.nodes if node in talking}

    def stacks(self) -> Iterator[str]:
        """A subgraph a stack."""
        held: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for node, box in self._boxes.items():
            held[_stack(node)][box].append(node)
        for stack, boxes in held.items():
            yield f'  subgraph {stack}["{_words(stack).capitalize()}"]'
            yield from (f"    {self._shape(box, nodes)}" for box, nodes in boxes.items())
            yield "  end"

    def arrows(self) -> Iterator[str]:
        """One for each pair of boxes and way of talking; with two heads if it goes both ways."""
        edges = self._topology.edges
        drawn = {(self._boxes[a], self._boxes[b], is_event) for a, b, is_event in edges}
        for source, target, is_event in sorted(drawn):
            back = (target, source, is_event) in drawn
            if source < target or (source > target and not back):
                line = "-.->" if is_event else "-->"
                yield f"  {source} {'<' if back else ''}{line} {target}"

    def _box(self, node: str) -> str:
        kind = self._topology.kind(node)
        name = self._name(node).title() if kind in _ALONE else ""
        return f"{_stack(node)}{name}{kind.rpartition('::')[2]}"

    def _shape(self, box: str, nodes: Sequence[str]) -> str:
        kind, form = BOXES[self._topology.kind(nodes[0])]
        names = ", ".join(dict.fromkeys(map(self._name, nodes)))
        called = kind if len(nodes) > 1 else kind.removesuffix("s")
        return form.format(box=box, text=f"{names}<br><i>{called}</i>")

    def _name(self, node: str) -> str:
        """A node's name in words: the one it is given, or else its logical ID's."""
        given = self._topology.given_name(node)
        if given is not None:
            return _words(_ENVIRONMENT.sub("", given))
        name = _ADDED.sub("", node.partition("/")[2])
        return _words(name.removeprefix(_stack(node)) or name)


def _stack(node: str) -> str:
    return node.partition("/")[0]


def _words(name: str) -> str:
    return " ".join(_WORD.findall(name)).lower()
