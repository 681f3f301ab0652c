"""The physical names that the stacks give: each must be free, or the environment's own."""

from collections.abc import Iterator
from pathlib import Path

from operations.deployment import adoption
from operations.deployment.assembly import stacks
from operations.deployment.names import NAMED, name_of
from operations.doctor.checks import Check, Outcome
from operations.target import Target
from pipeline_code.contracts.resources import RESOURCE_TAG

__all__ = ["names"]


def names(target: Target, assembly: Path) -> Iterator[Check]:
    """A check for each name that somebody else has, or one that all are free."""
    by_tag, region = adoption.tagged(target), str(target.session.region_name)
    free, taken = 0, 0
    for stack in stacks(assembly):
        there = adoption.owned(target, stack)
        for logical_id, resource in stack.template["Resources"].items():
            kind, place = resource["Type"], f"{stack.name}/{logical_id}"
            if logical_id in there or (kind, place) in by_tag:
                continue
            if (name := name_of(resource, region)) is None:
                continue
            if not NAMED[kind].is_taken(target, name):
                free += 1
                continue
            taken += 1
            yield Check(
                subject=f"{kind} {name}",
                outcome=Outcome.REFUSED,
                found=f"there is one outside of {stack.name}",
                needed="none, or this environment's",
                advice="delete it if nobody needs it" + _adoptable(kind, place),
            )
    if not taken:
        yield Check(
            subject="names",
            outcome=Outcome.OK,
            found=f"{free} are free, the rest is this environment's",
            needed="none that others have",
        )


def _adoptable(kind: str, place: str) -> str:
    if kind not in adoption.ADOPTABLE:
        return ""
    return f"; if it is yours, give it the tag {RESOURCE_TAG}={place} and it is adopted"
