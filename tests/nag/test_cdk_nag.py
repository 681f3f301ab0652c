"""cdk-nag finds nothing that was not accepted, and what was accepted is pinned in accepted.txt.

A line there is `environments | construct | rule`. To accept something new, acknowledge it on the
narrowest construct, with a reason, and add its line; this is where a reviewer sees it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stacks.environments import ENVIRONMENTS

from .conftest import Synthesized

ACCEPTED = Path(__file__).with_name("accepted.txt")
EXPORT = re.compile(
    r"fraudloop-[a-z]+-[a-z-]+:ExportsOutputFnGetAtt(\w+?)[0-9A-F]{8}Arn[0-9A-F]{8}"
)
REFERENCE = re.compile(r"<(\w+?)[0-9A-F]{8}>")


def findings(report: dict[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    for plugin in report["pluginReports"]:
        yield from plugin.get(kind, [])


def readable(rule: str, environment: str) -> str:
    """The rule without what differs between environments or follows from a construct's path."""
    rule = EXPORT.sub(r"<\1>", rule)
    rule = REFERENCE.sub(r"<\1>", rule)
    rule = rule.replace("arn:<AWS::Partition>:", "").replace(":<AWS::Region>:<AWS::AccountId>", "")
    # What CloudFormation names is named after its logical ID, which has no hyphens.
    for name in (f"Fraudloop{environment.capitalize()}", f"fraudloop{environment}"):
        rule = rule.replace(name, name[: len("fraudloop")] + "*")
    return rule.replace(f"fraudloop-{environment}-", "fraudloop-*-")


def accepted_in(report: dict[str, Any], environment: str) -> set[tuple[str, str]]:
    return {
        (finding["acknowledgedAt"], readable(finding["ruleName"], environment))
        for finding in findings(report, "suppressedViolations")
    }


def pinned(environment: str) -> set[tuple[str, str]]:
    lines = [line for line in ACCEPTED.read_text().splitlines() if line]
    rows = [tuple(part.strip() for part in line.split(" | ")) for line in lines]
    assert len(rows) == len(set(rows))
    return {
        (construct, rule)
        for environments, construct, rule in rows
        if environments == "all" or environment in environments.split()
    }


def test_nothing_is_found(synthesized: Synthesized, environment: str) -> None:
    found = [
        (finding["ruleName"], construct["constructPath"])
        for finding in findings(synthesized.report(environment), "violations")
        for construct in finding["violatingConstructs"]
    ]
    assert found == []


def test_what_was_accepted_is_what_was_reviewed(synthesized: Synthesized, environment: str) -> None:
    accepted = accepted_in(synthesized.report(environment), environment)
    reviewed = pinned(environment)
    assert accepted - reviewed == set(), "acknowledged, but not in accepted.txt"
    assert reviewed - accepted == set(), "in accepted.txt, but not acknowledged any more"


def test_whatever_was_accepted_has_a_reason_and_its_own_place(
    synthesized: Synthesized, environment: str
) -> None:
    for finding in findings(synthesized.report(environment), "suppressedViolations"):
        assert len(finding["reason"].split()) > 3, finding["ruleName"]
        # A stack is no narrow place.
        assert "/" in finding["acknowledgedAt"], finding["ruleName"]


def test_every_line_names_known_environments() -> None:
    for line in ACCEPTED.read_text().splitlines():
        environments = line.split(" | ")[0].split()
        assert environments == ["all"] or set(environments) < set(ENVIRONMENTS), line
