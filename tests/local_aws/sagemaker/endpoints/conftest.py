"""An endpoint that serves."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.local_aws.sagemaker.serving import Serving

Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def serving(client: Client) -> Serving:
    return Serving.make(client)


@pytest.fixture
def endpoint(client: Client, serving: Serving) -> Iterator[str]:
    name = serving.endpoint(serving.config(serving.model("one")))
    yield name
    client("sagemaker").delete_endpoint(EndpointName=name)
