"""cfn-lint, which knows every property of the registry's schemas, accepts every template."""

import json
from pathlib import Path

from cfnlint.api import lint_file
from cfnlint.config import ManualArgs
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from lifecycle.endpoint.rollout import LONGEST_DEPLOYMENT
from operations.models.deployments import longest_deployment
from operations.target import Target

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


def test_cloudformation_waits_for_the_longest_rollout_and_its_way_back() -> None:
    """What it waits at most is in the registry's schema of the type, which cfn-lint brings along.

    Without an entry it is two hours (cloudformation-resource-schema #61).
    """
    endpoint = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", "AWS::SageMaker::Endpoint")
    limits = {
        name: handler.get("timeoutInMinutes", 120)
        for name, handler in endpoint.schema["handlers"].items()
    }
    assert limits["update"] * 60 >= 2 * LONGEST_DEPLOYMENT
    # A first endpoint is created, and the verbs wait for that as long as CloudFormation does.
    target = Target("local", None, {})
    target.__dict__["outputs"] = {"RolloutTimeoutSeconds": "0"}
    assert limits["create"] * 60 <= longest_deployment(target)
