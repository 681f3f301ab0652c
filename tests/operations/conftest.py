"""An embedded AWS with nothing deployed to it, for operations that need a service or two."""

from collections.abc import Callable, Iterator

import pytest

from local_aws.server import EmbeddedAws, free_port
from operations.target import Target
from tests.local_aws.images import make_repositories


@pytest.fixture(scope="session")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with EmbeddedAws(tmp_path_factory.mktemp("embedded") / "state", free_port()) as aws:
        make_repositories(aws.session().client)
        yield aws


@pytest.fixture(scope="session")
def target_with(embedded_aws: EmbeddedAws) -> Callable[..., Target]:
    """target_with(EventStreamName="..."): an environment whose stacks have these outputs."""

    def make(**outputs: str) -> Target:
        target = Target("local", embedded_aws.session(), embedded_aws.environment())
        # What describing the stacks would find.
        target.__dict__["outputs"] = outputs
        return target

    return make
