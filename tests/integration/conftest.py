"""The demo in small, played once for all integration tests and left running for them."""

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from local_aws.server import EmbeddedAws, free_port
from operations.data import lake
from operations.serving import batch
from operations.target import PROJECT_ROOT, Target, connect
from pipeline_code.common.schema import FRAUD_REPORTS, TRANSACTIONS, read
from pipeline_code.train.model import Model

from .releasing import RELEASES
from .saved import play_or_restore
from .upgraded import Upgrade, upgraded

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True)
class Played:
    """A finished demo whose embedded AWS still runs."""

    result: dict[str, Any]
    output: str
    exit_code: int
    state: Path
    target: Target


@pytest.fixture(scope="session")
def fraudloop() -> Command:
    """Runs the command as a user does."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "operations.cli", *arguments],
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    return run


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--played", type=Path, help="play in this folder, and leave it running")


@pytest.fixture(scope="session")
def played(
    tmp_path_factory: pytest.TempPathFactory, fraudloop: Command, request: pytest.FixtureRequest
) -> Iterator[Played]:
    kept: Path | None = request.config.getoption("--played", None)
    folder = kept or tmp_path_factory.mktemp("loop")
    aws, report = EmbeddedAws(folder / "state", free_port()), folder / "demo.json"

    def play() -> dict[str, Any]:
        options = ["--customers", "120", "--keep", "--port", str(aws.port)]
        done = fraudloop("demo", *options, "--state", str(aws.state_dir), "--json", str(report))
        output = done.stdout + done.stderr
        assert report.exists(), output
        result = json.loads(report.read_text())
        return {"result": result, "output": output, "exit_code": done.returncode}

    try:
        if hasattr(request.config, "workerinput") and kept is None:
            said = play_or_restore(aws, tmp_path_factory.getbasetemp().parent / "played", play)
        else:
            said = play()
        target = connect("local", profile=None, region=None, state=aws.state_dir)
        target.client("sagemaker").get_waiter("endpoint_in_service").wait(
            EndpointName=target.output("EndpointName"),
            WaiterConfig={"Delay": 1, "MaxAttempts": 60},
        )
        yield Played(**said, state=aws.state_dir, target=target)
    finally:
        if kept is None:
            aws.wipe()


@pytest.fixture(scope="session")
def events(played: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[pa.Table, pa.Table]:
    """All transactions and fraud reports of the lake."""
    folder = tmp_path_factory.mktemp("lake")
    for name in ("transactions", "fraud_reports"):
        lake.download(played.target, f"{name}/", folder)
    return read(folder / "transactions", TRANSACTIONS), read(
        folder / "fraud_reports", FRAUD_REPORTS
    )


@pytest.fixture(scope="session")
def model(played: Any, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The deployed model, as it left training."""
    sagemaker, folder = played.target.client("sagemaker"), tmp_path_factory.mktemp("model")
    name = batch.live_model(played.target)
    package = sagemaker.describe_model(ModelName=name)["PrimaryContainer"]["ModelPackageName"]
    described = sagemaker.describe_model_package(ModelPackageName=package)
    (container,) = described["InferenceSpecification"]["Containers"]
    bucket, _, key = container["ModelDataUrl"].removeprefix("s3://").partition("/")
    body = played.target.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        archive.extractall(folder, filter="data")
    return Model.load(folder)


@pytest.fixture(scope="session", params=sorted(path.name for path in RELEASES.iterdir()))
def upgrade(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Upgrade]:
    """An environment of a release that this working tree was deployed over."""
    with upgraded(request.param, tmp_path_factory.mktemp("upgrade")) as made:
        yield made
