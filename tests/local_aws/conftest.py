"""One embedded AWS for all tests of this folder, and clients of it."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from local_aws.server import EmbeddedAws, free_port


@pytest.fixture(scope="session")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with EmbeddedAws(tmp_path_factory.mktemp("embedded") / "state", free_port()) as aws:
        yield aws


@pytest.fixture(scope="session")
def session(embedded_aws: EmbeddedAws) -> boto3.Session:
    return embedded_aws.session()


@pytest.fixture(scope="session")
def client(session: boto3.Session) -> Callable[[str], Any]:
    """client("s3"): a boto3 client of the embedded AWS."""
    clients: dict[str, Any] = {}

    def of(service: str) -> Any:
        if service not in clients:
            clients[service] = session.client(service)
        return clients[service]

    return of
