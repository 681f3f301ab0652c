"""The promotion that callers notice: requests at a constant rate through four events.

    python -m benchmarks.promotion --json -

Plays the demo on an embedded AWS of its own and then, one after another: promotes a good version,
promotes a broken one (miscalibrated, so that it flags nearly everyone), kills one of the endpoint's
instances, and stops and starts the embedded AWS. The peer of each event is the same traffic with
nothing going on.

JSON, by event (`quiet`, `good`, `broken`, `killed`, `restarted`): requests, failed, failed_share,
answered_twice, seconds (until the event was over), p50_milliseconds, p99_milliseconds; of `broken`
also version_share: of the answers between its first and its last one, those that were its own.
"""

import argparse
import io
import json
import tarfile
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil

from benchmarks.measuring import add_json, show
from local_aws.server import EmbeddedAws, free_port
from operations.demo.run import Demo
from operations.demo.story import Scale, simulated
from operations.demo.traffic import SentRequest, Traffic, captured
from operations.displays import shown
from operations.errors import OperationError
from operations.models import approvals, registry
from operations.progress import Display
from operations.serving.scoring import requests_of
from operations.target import Target, connect
from pipeline_code.common.model_digest import model_digest
from pipeline_code.contracts.packages import DIGEST

# So much is added to the log-odds of the broken version's scores.
MISCALIBRATION = 12.0
QUIET_SECONDS = 10.0
PATIENCE_SECONDS = 300.0


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--per-second", type=float, default=50.0, help="requests that begin")
    add_json(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="promotion-") as folder:
        state, port, scale = Path(folder), free_port(), Scale()
        try:
            with shown(Display.LINES):
                Demo(state=state, port=port, scale=scale).run(keep=True)
            target = connect("local", profile=None, region=None, state=state)
            story = simulated(scale)
            asked = story.stream.between(story.quiet, story.drift).transactions.slice(0, 500)
            events = Events(target, EmbeddedAws(state, port), list(requests_of(asked)))
            show(events.measure(arguments.per_second), arguments.json)
        finally:
            EmbeddedAws(state, port).wipe()


class Events:
    """The events of one endpoint, each under traffic of its own."""

    def __init__(
        self, target: Target, embedded: EmbeddedAws, requests: Sequence[dict[str, Any]]
    ) -> None:
        self._target, self._embedded, self._requests = target, embedded, requests

    def measure(self, per_second: float) -> dict[str, Any]:
        """All figures, by event and name."""
        result: dict[str, Any] = {"requests_per_second": per_second}
        for name, event in (
            ("quiet", lambda: time.sleep(QUIET_SECONDS)),
            ("good", self._good),
            ("broken", self._broken),
            ("killed", self._killed),
            ("restarted", self._restarted),
        ):
            result |= {f"{name}_{key}": value for key, value in self._under(event, per_second)}
        return result

    def _under(self, event: Callable[[], Any], per_second: float) -> list[tuple[str, Any]]:
        with Traffic(self._target, self._requests, per_second=per_second) as traffic:
            time.sleep(2.0)
            begun = time.monotonic()
            broken = event()
            seconds = time.monotonic() - begun
            time.sleep(2.0)
        twice = sum(count > 1 for count in captured(self._target, traffic).values())
        figures = _figures(traffic.asked) | {"answered_twice": twice, "seconds": seconds}
        if isinstance(broken, str):
            figures["version_share"] = share_of(traffic.asked, broken)
        return list(figures.items())

    def _good(self) -> None:
        versions = registry.approved(self._target)
        deployed = registry.deployed_package(self._target)
        other = next(p for p in versions if p["ModelPackageArn"] != deployed)
        done = approvals.roll_back(
            self._target, reason="benchmark", to=str(other["ModelPackageVersion"])
        )
        registry.await_deployment(self._target, done.restored)

    def _broken(self) -> str:
        deployed = registry.deployed_package(self._target)
        broken = register_broken(self._target, deployed)
        approvals.approve(self._target, broken, reason="benchmark: a broken version")
        await_rejection(self._target, broken, deployed)
        return broken

    def _killed(self) -> None:
        before = servers(self._embedded)
        kill(before[0])
        # In its place there is another one, which answers once it is ready.
        _wait(lambda: len({*servers(self._embedded)} - {before[0]}) >= len(before))

    def _restarted(self) -> None:
        self._embedded.stop()
        self._embedded.start()
        sagemaker, name = self._target.client("sagemaker"), self._target.output("EndpointName")
        _wait(
            lambda: sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"
        )


def register_broken(target: Target, package: str) -> str:
    """A copy of a package whose model flags nearly everyone; returns its ARN."""
    sagemaker, s3 = target.client("sagemaker"), target.client("s3")
    described = sagemaker.describe_model_package(ModelPackageName=package)
    specification = described["InferenceSpecification"]
    container = specification["Containers"][0]
    source = urlsplit(container["ModelDataUrl"])
    archive = s3.get_object(Bucket=source.netloc, Key=source.path.lstrip("/"))["Body"].read()
    key = f"{source.path.lstrip('/').rpartition('/')[0]}/{uuid.uuid4()}/model.tar.gz"
    changed = _miscalibrated(archive)
    s3.put_object(Bucket=source.netloc, Key=key, Body=changed)
    specification["Containers"] = [
        {
            "Image": container["Image"],
            "ModelDataUrl": f"s3://{source.netloc}/{key}",
            "Environment": container["Environment"] | {DIGEST: _digest(changed)},
        }
    ]
    metadata = {
        name: value
        for name, value in described["CustomerMetadataProperties"].items()
        if not name.startswith("decision_")
    }
    return str(
        sagemaker.create_model_package(
            ModelPackageGroupName=described["ModelPackageGroupName"],
            ModelApprovalStatus="PendingManualApproval",
            InferenceSpecification=specification,
            DriftCheckBaselines=described["DriftCheckBaselines"],
            CustomerMetadataProperties=metadata,
        )["ModelPackageArn"]
    )


def _digest(archive: bytes) -> str:
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        return model_digest(Path(folder))


def _miscalibrated(archive: bytes) -> bytes:
    changed = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive)) as old,
        tarfile.open(fileobj=changed, mode="w:gz") as new,
    ):
        for member in old.getmembers():
            file = old.extractfile(member)
            content = b"" if file is None else file.read()
            if member.name.endswith("metadata.json"):
                document = json.loads(content)
                document["calibration"]["intercept"] += MISCALIBRATION
                content = json.dumps(document).encode()
                member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    return changed.getvalue()


def await_rejection(target: Target, broken: str, before: str) -> None:
    """Wait until a broken version was rolled back: rejected, and the one before named again."""
    sagemaker = target.client("sagemaker")

    def settled() -> bool:
        package = sagemaker.describe_model_package(ModelPackageName=broken)
        named = registry.deployed_package(target)
        return bool(package["ModelApprovalStatus"] == "Rejected" and named == before)

    _wait(settled)


def servers(embedded: EmbeddedAws) -> list[psutil.Process]:
    """The endpoint's instances: the model servers that the embedded AWS has started."""
    # Each is the child of what confines it, and has workers of its own.
    below = psutil.Process(embedded.connection()["pid"]).children(recursive=True)
    return [each for each in below if _serves(each) and not _serves(each.parent())]


def _serves(process: psutil.Process) -> bool:
    return bool(process.cmdline()[-1:] == ["serve"])


def kill(server: psutil.Process) -> None:
    """End an instance as a loss of its machine does: no process of it is left, none is asked."""
    for process in (server, *server.children(recursive=True)):
        process.kill()


def share_of(asked: Sequence[SentRequest], version: str) -> float:
    """Of the answers between a version's first and last one, those that it gave."""
    given = [each.answer["model_version"] == version for each in asked if each.answer is not None]
    places = np.flatnonzero(given)
    return float(np.mean(given[places[0] : places[-1] + 1])) if len(places) else 0.0


def _figures(asked: Sequence[SentRequest]) -> dict[str, Any]:
    milliseconds = np.array([each.seconds for each in asked if each.answer is not None]) * 1e3
    failed = sum(each.answer is None for each in asked)
    return {
        "requests": len(asked),
        "failed": failed,
        "failed_share": failed / len(asked),
        "p50_milliseconds": float(np.percentile(milliseconds, 50)),
        "p99_milliseconds": float(np.percentile(milliseconds, 99)),
    }


def _wait(over: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not over():
        if time.monotonic() > deadline:
            raise OperationError(f"the event must be over within {PATIENCE_SECONDS:.0f} seconds")
        time.sleep(0.5)


if __name__ == "__main__":
    main()
