"""One embedded AWS for the labels' tests."""

from collections.abc import Iterator

import pytest

from local_aws.server import EmbeddedAws, free_port


@pytest.fixture(scope="session")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with EmbeddedAws(tmp_path_factory.mktemp("embedded") / "state", free_port()) as aws:
        yield aws
