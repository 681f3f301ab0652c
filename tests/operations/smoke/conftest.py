"""An embedded AWS with an environment of which the image alone is deployed."""

from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from benchmarks.smoke import account
from local_aws.server import EmbeddedAws
from operations.cli import app


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
