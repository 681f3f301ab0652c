"""The demo in small, played once for all integration tests and left running for them."""

import json
from collections.abc import Iterator

import pytest

from local_aws.server import EmbeddedAws, free_port
from operations.target import connect
from tests.integration.command import Played, fraudloop


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    folder = tmp_path_factory.mktemp("loop")
    state, report, port = folder / "state", folder / "demo.json", free_port()
    options = ["--customers", "120", "--keep", "--port", str(port), "--state", str(state)]
    try:
        done = fraudloop("demo", *options, "--json", str(report))
        assert report.exists(), done.stdout + done.stderr
        yield Played(
            result=json.loads(report.read_text()),
            output=done.stdout + done.stderr,
            exit_code=done.returncode,
            state=state,
            target=connect("local", profile=None, region=None, state=state),
        )
    finally:
        EmbeddedAws(state, port).wipe()
