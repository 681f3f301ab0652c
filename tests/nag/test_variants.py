"""What the deployed environments leave out is as valid, and accepts nothing that they do not."""

import json
from pathlib import Path

import lifecycle  # noqa: F401  # first: it tells jsii which node to start when aws_cdk is imported

# isort: split
import aws_cdk as cdk
import pytest

from app import SETTINGS, build_app

from .conftest import Synthesized
from .synthesize import validate
from .test_cdk_nag import accepted_in, findings, pinned
from .test_cfn_lint import lint
from .variants import VARIANTS


@pytest.fixture(scope="module", params=list(VARIANTS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def variants(tmp_path_factory: pytest.TempPathFactory, name: str) -> Synthesized:
    folder = tmp_path_factory.mktemp("variants")
    app = build_app(VARIANTS[name], outdir=str(folder / name))
    validate(app)
    app.synth()  # it raises if anything is found that was not accepted
    return Synthesized(folder)


def test_nothing_is_found_and_nothing_more_is_accepted(variants: Synthesized, name: str) -> None:
    report = variants.report(name)
    assert list(findings(report, "violations")) == []
    assert accepted_in(report, name) <= pinned("dev") | pinned("prod")


def test_cloudformations_own_rules_are_asked(tmp_path: Path) -> None:
    flags = json.loads(SETTINGS.read_text())["context"]
    app = cdk.App(context=flags, outdir=str(tmp_path))
    cdk.CfnResource(
        cdk.Stack(app, "Test"), "Bucket", type="AWS::S3::Bucket", properties={"BucketName": ["a"]}
    )
    validate(app)
    with pytest.raises(RuntimeError, match="CloudFormation Validate"):
        app.synth()


def test_cfn_lint_accepts_the_templates_that_differ(variants: Synthesized, name: str) -> None:
    folder = variants.folder / name
    stacks = ("Serving", "Streaming", "Retraining")
    assert [match for each in stacks for match in lint(folder / f"{each}.template.json")] == []


def test_what_needs_instances_is_where_instances_are(variants: Synthesized, name: str) -> None:
    templates = variants.templates(name)
    has_instances = VARIANTS[name].endpoint.serverless is None
    serving = templates["Serving"]
    kinds = {resource["Type"] for resource in serving["Resources"].values()}
    assert ("Monitoring" in templates) is has_instances
    assert ("AWS::ApplicationAutoScaling::ScalableTarget" in kinds) is has_instances
    assert ("ChallengerModelPackage" in serving["Parameters"]) is has_instances
