"""cfn-lint, which knows every property of the registry's schemas, accepts every template."""

import json
from pathlib import Path

from cfnlint.api import lint_file
from cfnlint.config import ManualArgs

from .conftest import Synthesized

# W3005 minds a DependsOn beside a reference to the same resource. The CDK writes both: it depends
# on a role for the sake of the role's policy, which nothing refers to.
IGNORED = ["W3005"]


def lint(template: Path) -> list[str]:
    matches = lint_file(template, config=ManualArgs(ignore_checks=IGNORED))
    return [f"{template.name}: {match.rule.id} {match.message}" for match in matches]


def test_cfn_lint_accepts_every_template(synthesized: Synthesized, environment: str) -> None:
    templates = sorted((synthesized.folder / environment).glob("*.template.json"))
    assert [match for template in templates for match in lint(template)] == []


def test_cfn_lint_is_looking(tmp_path: Path) -> None:
    template = tmp_path / "bad.json"
    group = {"Type": "AWS::SageMaker::FeatureGroup", "Properties": {"onlineStoreConfig": {}}}
    template.write_text(json.dumps({"Resources": {"Group": group}}))
    assert any("E3002" in match for match in lint(template))
