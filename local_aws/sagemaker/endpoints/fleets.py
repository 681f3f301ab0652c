"""Fleets: all servers of one variant in one deployment, watched and restarted.

They share a private `/opt/ml`, into which the model's archive is unpacked once, as SageMaker gives
each instance the same content.
"""

import logging
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from botocore.exceptions import ClientError

from local_aws import adapter
from local_aws.sagemaker import containers, data, images
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.endpoints.servers import GRACE_SECONDS, FleetSpec, Server, ServerError

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.05
_WATCH_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 10.0
_DRAIN_SECONDS = 60.0
_DRAIN_PAUSE_SECONDS = 0.2


class Fleet:
    """The servers of one variant, kept at their count until it is stopped.

    Args:
        context: Shared state.
        spec: What they run.
    """

    def __init__(self, context: Context, spec: FleetSpec) -> None:
        self.spec = spec
        self.servers: tuple[Server, ...] = ()
        self._context = context
        self.root = containers.make_root(context, f"endpoints/{spec.name}/{uuid.uuid4().hex[:12]}")
        self._stopping = threading.Event()
        self._changing = threading.Lock()

    def start(self) -> None:
        """Start all servers and wait until they are healthy.

        Raises:
            ServerError: If one is not; the others are stopped then.
        """
        try:
            self._check_pull()
            self._fetch_model()
            self.servers = tuple(
                Server(self._context, self.spec, self.root) for _ in range(self.spec.count)
            )
            for server in self.servers:
                server.wait_until_ready(self._stopping)
        except ServerError:
            self.stop()
            raise
        except Exception as error:
            _LOG.warning("fleet %s failed", self.spec.name, exc_info=True)
            self.stop()
            raise ServerError(str(error)) from error
        name = f"watch-{self.spec.name}-{self.spec.variant}"
        threading.Thread(target=self._watch, name=name, daemon=True).start()

    def _check_pull(self) -> None:
        """SageMaker pulls the image as the model's role; in its words, as
        sagemaker-tensorflow-serving-container #182 quotes them, of whichever action it is."""
        role, image = self.spec.container.role_arn, self.spec.container.image
        with adapter.request_scope(self._context.account, self._context.region):
            denied = images.pull_denied(role, image)
        if denied is not None:
            raise ServerError(
                f"The role '{role}' does not have BatchGetImage permission for the "
                f"image: '{image}'. ({denied})"
            )

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Stop all servers at once; their folder goes too."""
        self._stopping.set()
        with self._changing:
            servers, self.servers = self.servers, ()
        _stop_all(servers, grace_seconds)
        shutil.rmtree(self.root, ignore_errors=True)

    def retire(
        self, drain_seconds: float = _DRAIN_SECONDS, grace_seconds: float = GRACE_SECONDS
    ) -> None:
        """Stop, once the requests that are being answered are."""
        _drain(self.servers, drain_seconds)
        self.stop(grace_seconds)

    def resize(self, count: int) -> None:
        """Add servers, or drain and stop some.

        Raises:
            ServerError: If a new one does not come up; there are as many as before then.
        """
        with self._changing:
            missing = count - len(self.servers)
            removed = self.servers[count:]
            self.servers = self.servers[:count]
        if removed:
            _drain(removed)
            _stop_all(removed, GRACE_SECONDS)
        added = [Server(self._context, self.spec, self.root) for _ in range(missing)]
        try:
            for server in added:
                server.wait_until_ready(self._stopping)
        except ServerError:
            _stop_all(added, GRACE_SECONDS)
            raise
        with self._changing:
            if not self._stopping.is_set():
                self.servers = (*self.servers, *added)
                return
        _stop_all(added, GRACE_SECONDS)

    def _fetch_model(self) -> None:
        uri = self.spec.container.data
        folder = self.root / "model"
        folder.mkdir(parents=True, exist_ok=True)
        if uri is None:
            return
        bucket, key = data.split(uri, "ModelDataUrl")
        s3 = self._context.role_session(self.spec.container.role_arn, "SageMaker").client("s3")
        with tempfile.TemporaryDirectory(dir=self.root) as temporary:
            archive = Path(temporary) / "model.tar.gz"
            try:
                with archive.open("wb") as file:
                    shutil.copyfileobj(s3.get_object(Bucket=bucket, Key=key)["Body"], file)
            except ClientError as error:
                raise ServerError(
                    f"Could not access model data at {uri}. Please ensure that the role "
                    f'"{self.spec.container.role_arn}" exists and that its policies allow '
                    f"s3:GetObject on it, and that the object exists. {error}"
                ) from error
            data.unpack(archive, folder)

    def _watch(self) -> None:
        """Replace servers whose process has ended, ever slower if they keep ending."""
        pause = _WATCH_SECONDS
        while not self._stopping.wait(pause):
            dead = [server for server in self.servers if not server.alive]
            if not dead:
                pause = _WATCH_SECONDS
                continue
            for server in dead:
                server.ready = False
                _LOG.warning("a server of %s ended; it is restarted", self.spec.name)
                if not self._replace(server):
                    pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _replace(self, dead: Server) -> bool:
        dead.stop()
        fresh = Server(self._context, self.spec, self.root)
        with self._changing:
            if self._stopping.is_set():
                fresh.stop()
                return True
            self.servers = tuple(fresh if server is dead else server for server in self.servers)
        try:
            fresh.wait_until_ready(self._stopping)
        except ServerError as error:
            _LOG.warning("%s", error)
            fresh.stop()  # so that the next round finds it dead and tries again
            return False
        return True


def _drain(servers: Sequence[Server], seconds: float = _DRAIN_SECONDS) -> None:
    """Wait until no request is being answered, but not for ever."""
    deadline = time.monotonic() + seconds
    # A request picks its server just before it counts itself: leave time for that too.
    time.sleep(_DRAIN_PAUSE_SECONDS)
    while any(server.in_flight for server in servers) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def _stop_all(servers: Sequence[Server], grace_seconds: float) -> None:
    threads = [threading.Thread(target=server.stop, args=(grace_seconds,)) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
