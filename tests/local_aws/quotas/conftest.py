"""An embedded AWS whose account has small quotas."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws.server import EmbeddedAws, free_port

QUOTAS = """
[sagemaker]
"ml.m5.xlarge for endpoint usage" = 3
"ml.m5.large for endpoint usage" = 3
"ml.m5.large for processing job usage" = 1
L-CCE2AFA6 = 0
"Maximum number of instances per training job" = 3
"Number of instances across all training jobs" = 2
"BatchGetRecord transactions per second" = 0.001
"PutRecord transactions per second" = 0
"Maximum number of feature groups per AWS account" = 1
[codebuild]
"Concurrently running builds for Linux/Large environment" = 0
[events]
"Number of rules" = 400
"PutEvents throttle limit in transactions per second" = 0.001
[kinesis]
"Records written to a shard per second" = 0.001
"Shards per Region" = 5
[lambda]
"Concurrent executions" = 1
"""


@pytest.fixture(scope="package")
def raised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """An embedded AWS that was given quotas once, and started again without."""
    folder = tmp_path_factory.mktemp("quotas")
    given = folder / "quotas.toml"
    given.write_text(QUOTAS)
    EmbeddedAws(folder / "state", port := free_port(), quotas=given).start()
    EmbeddedAws(folder / "state", port).stop()
    with EmbeddedAws(folder / "state", port) as aws:
        yield aws


@pytest.fixture(scope="package")
def limited(raised: EmbeddedAws) -> Callable[[str], Any]:
    """limited("sagemaker"): a client of that AWS that asks once."""
    session, once = raised.session(), Config(retries={"max_attempts": 0})
    return lambda service: session.client(service, config=once)


def refused(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    """The code and the words that a call is refused with."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]
