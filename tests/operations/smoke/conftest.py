"""Embedded AWSs with an environment of which the image alone is deployed."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from local_aws.behaviours import questions
from local_aws.server import EmbeddedAws, free_port
from operations.cli import app
from tests.local_aws.images import make_repositories

IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/fraudloop:test"


@contextmanager
def account(folder: Path, behaviour: dict[str, str] | None = None) -> Iterator[EmbeddedAws]:
    """An embedded AWS that plays these readings."""
    file = folder / "told.json"
    questions.write(file, behaviour or {})
    with EmbeddedAws(folder / "state", free_port(), behaviour=file) as aws:
        make_repositories(aws.session().client)
        topic = {"Type": "AWS::SNS::Topic", "Properties": {}}
        template = {"Resources": {"Topic": topic}, "Outputs": {"ImageUri": {"Value": IMAGE}}}
        cloudformation = aws.session().client("cloudformation")
        cloudformation.create_stack(
            StackName="fraudloop-local-training", TemplateBody=json.dumps(template)
        )
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName="fraudloop-local-training", WaiterConfig={"Delay": 0.1}
        )
        yield aws


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with account(tmp_path_factory.mktemp("smoke")) as made:
        yield made


@pytest.fixture(scope="session")
def smoke() -> Callable[..., Result]:
    """smoke(aws, "--only", "bus-role"): what the verb gives."""

    def run(aws: EmbeddedAws, *options: str) -> Result:
        return CliRunner().invoke(app, ["smoke", "--state", str(aws.state_dir), *options])

    return run
