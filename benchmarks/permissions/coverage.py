"""The coverage of templates: which elements were used, and whether each was needed."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.permissions.recorded import RecordedDecision, documents
from benchmarks.permissions.replay import allowed, applies, changed_conditions
from benchmarks.permissions.statements import Document, Element, Part, parts

JUSTIFIED = Path(__file__).with_name("justified.json")
Uses = Mapping[Element, Sequence[tuple[Part, RecordedDecision]]]


@dataclass(frozen=True)
class Mutant:
    """A used element that was removed, or a condition of one that was changed.

    Attributes:
        element: Which.
        change: What was done to it.
        killed: Whether a recorded request was decided otherwise then.
    """

    element: Element
    change: str
    killed: bool


def elements(templates: Iterable[Mapping[str, Document]]) -> set[Element]:
    """All that templates grant and deny."""
    return {
        part.element
        for template in templates
        for stage, body in template.items()
        for logical_id, resource in body["Resources"].items()
        for _, suffix, document, _ in documents(
            resource["Type"], *[resource.get("Properties", {})] * 2
        )
        for part in parts(f"{stage}/{logical_id}{suffix}", document, document)
    }


def faithful(
    decisions: Iterable[RecordedDecision],
) -> tuple[list[RecordedDecision], list[RecordedDecision]]:
    """The decisions that policies of the templates account for, and those that they do not."""
    found: tuple[list[RecordedDecision], list[RecordedDecision]] = ([], [])
    for decision in decisions:
        found[allowed(decision) is not decision.allowed].append(decision)
    return found


def uses(decisions: Iterable[RecordedDecision]) -> Uses:
    """The requests that each element bore on: allowed ones of grants, refused ones of denials."""
    found: dict[Element, list[tuple[Part, RecordedDecision]]] = defaultdict(list)
    for decision in decisions:
        wanted = "Allow" if decision.allowed else "Deny"
        if decision.allowed and decision.is_attack:
            continue
        for part in (*decision.identity, *decision.resource):
            if part.element.effect == wanted and applies(part, decision):
                found[part.element].append((part, decision))
    return found


def mutants(used: Uses) -> Iterator[Mutant]:
    """Each element without which, or with other conditions, a request must be decided otherwise."""
    for element, found in used.items():
        decisions = [decision for _, decision in found]
        killed = any(
            allowed(each, partial(_without, gone=element)) is not each.allowed for each in decisions
        )
        yield Mutant(element, "removed", killed)
        decisions += [
            _with_keys(part, each) for part, each in found if "IfExists" in element.conditions
        ]
        changes = {change for part, _ in found for change, _ in changed_conditions(part)}
        for change in sorted(changes):
            killed = any(
                allowed(each, partial(_changed, element=element, change=change)) is not each.allowed
                for each in decisions
            )
            yield Mutant(element, change, killed)


def _with_keys(part: Part, decision: RecordedDecision) -> RecordedDecision:
    """The same request with the keys that it may but need not have, as the statement wants them."""
    keys = {
        key.lower(): value
        for operator, wanted in part.statement["Condition"].items()
        if operator.endswith("IfExists")
        for key, value in wanted.items()
    }
    asked = {**decision.asked, "keys": {**decision.asked["keys"], **keys}}
    return replace(decision, asked=asked)


def _without(part: Part, gone: Element) -> Document | None:
    return None if part.element == gone else part.statement


def _changed(part: Part, element: Element, change: str) -> Document | None:
    if part.element != element:
        return part.statement
    return dict(changed_conditions(part)).get(change, part.statement)


def justified(found: Iterable[Element]) -> dict[Element, str]:
    """Those elements that AWS demands though nothing here shows it, with the document."""
    return {
        element: f"{reason['document']}: {reason['says']}"
        for reason in reasons()
        for element in found
        if any(fnmatchcase(str(element), each) for each in reason["elements"])
    }


def reasons() -> list[dict[str, Any]]:
    """What is reviewed: patterns of elements, AWS's document, and what it says."""
    found: list[dict[str, Any]] = json.loads(JUSTIFIED.read_text())
    return found
