"""What the lake keeps of users' files is read by no role: not whose ids those are, nor the key."""

import fnmatch
from collections.abc import Iterator

from .conftest import Template
from .rendering import Rendered
from .test_stack_roles import as_list

RAW = "LakeRaw"
KEPT = "own_data/key"


def readable(templates: dict[str, Template]) -> Iterator[str]:
    """Whatever of the raw bucket a policy lets somebody read."""
    for template in templates.values():
        for body in template["Resources"].values():
            if not body["Type"].startswith("AWS::IAM::"):
                continue
            policies = [body, *body["Properties"].get("Policies", [])]
            for policy in policies:
                document = policy.get("Properties", policy).get("PolicyDocument", {})
                yield from _read(Rendered(template).value(document).get("Statement", []))


def _read(statements: list[dict[str, object]]) -> Iterator[str]:
    for statement in statements:
        actions = [str(action) for action in as_list(statement["Action"])]
        if any(fnmatch.fnmatchcase("s3:GetObject", action) for action in actions):
            for resource in as_list(statement["Resource"]):
                bucket, _, keys = str(resource).partition("/")
                if RAW in bucket or bucket == "*":
                    yield keys or "*"


def test_no_role_reads_what_is_kept_of_users_files(templates: dict[str, Template]) -> None:
    found = set(readable(templates))
    assert {"transactions/*", "fraud_reports/*"} <= found
    assert not any(fnmatch.fnmatchcase(KEPT, keys) for keys in found)
