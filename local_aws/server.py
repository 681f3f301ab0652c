"""Starts, stops and reaches an embedded AWS from other processes."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import psutil

from local_aws import ports, settings
from local_aws.behaviours import questions
from local_aws.errors import (
    BehaviourError,
    EmbeddedAwsError,
    NotRunningError,
    PortTakenError,
    QuotasError,
    RegionError,
    StateFolderError,
    StateInUseError,
)
from local_aws.layout import Layout
from local_aws.ports import free_port
from local_aws.quotas import values

if TYPE_CHECKING:
    import boto3

__all__ = [
    "EmbeddedAws",
    "EmbeddedAwsError",
    "NotRunningError",
    "PortTakenError",
    "QuotasError",
    "RegionError",
    "StateFolderError",
    "StateInUseError",
    "free_port",
]

START_SECONDS = 60.0
STOP_SECONDS = 20.0


class EmbeddedAws:
    """One embedded AWS: a server process and its state folder.

    with EmbeddedAws(Path(".fraudloop")) as aws:
        aws.session().client("s3").list_buckets()

    Args:
        state_dir: Folder that holds all state; made if absent.
        port: Port on 127.0.0.1.
        region: The Region that it is. If omitted, that of its state, else FRAUDLOOP_REGION, else
            us-east-1.
        quotas: File of the account's quotas, kept in its state. If omitted, those of its state,
            else an established account's.
        behaviour: A file of what it is to play of what AWS leaves open (`behaviours/`), kept with
            the state. If omitted, FRAUDLOOP_AWS_BEHAVIOUR's, else that of the state.
    """

    def __init__(
        self,
        state_dir: Path,
        port: int = settings.DEFAULT_PORT,
        region: str | None = None,
        quotas: Path | None = None,
        behaviour: Path | None = None,
    ) -> None:
        self.state_dir = state_dir.resolve()
        self.port = port
        self._region = region
        self._quotas = quotas
        told = os.environ.get(settings.BEHAVIOUR_VARIABLE)
        self._behaviour = Path(told) if behaviour is None and told else behaviour
        self._layout = Layout(root=self.state_dir)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> bool:
        """Start the server and wait until it answers; does nothing if it already runs.

        Returns:
            Whether it was started by this call.

        Raises:
            StateInUseError: If it runs on another port.
            RegionError: If its state is of another Region than the one asked for.
            QuotasError: If the quotas asked for cannot be, or it runs with others.
            BehaviourError: If it is to play what there is not, or runs and plays something else.
            StateFolderError: If its state cannot be written.
            PortTakenError: If another program has the port.
            EmbeddedAwsError: If the server does not come up.
        """
        region = self._checked_region()
        quotas = values.changed(self._quotas, self._layout.quotas)
        behaviour = None if self._behaviour is None else questions.read(self._behaviour)
        running = self._running()
        if running is not None:
            if running["port"] != self.port:
                raise StateInUseError(
                    f"port must be {running['port']}, got {self.port}; the embedded AWS of "
                    f"{self.state_dir} already runs there as process {running['pid']}"
                )
            if quotas is not None:
                raise QuotasError(
                    f"quotas must be those that the embedded AWS runs with, got {self._quotas}; "
                    "stop it first with `fraudloop down`"
                )
            self._check_plays(behaviour)
            return False
        self.check_free()
        self._layout.create()
        if quotas is not None:
            self._layout.quotas.write_text(quotas)
        if behaviour is not None:
            questions.write(self._layout.behaviour, behaviour)
        log = self._layout.new_server_log()
        command = [sys.executable, "-m", "local_aws.launcher"]
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*command, "--port", str(self.port), "--state", str(self.state_dir)],
                cwd=settings.PROJECT_ROOT,
                env={**os.environ, settings.REGION_VARIABLE: region},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_until_healthy(process)
        return True

    def check_free(self) -> None:
        """Refuse at once what a server that does not run could not start with.

        Raises:
            PortTakenError: If another program has the port.
            StateFolderError: If its state cannot be written.
        """
        if (listener := ports.taken_by(self.port)) is not None:
            raise PortTakenError(
                f"port must be free, got {self.port}, on which {listener} listens; stop that "
                "process or choose another port"
            )
        try:
            self.state_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StateFolderError(self._unwritable(str(error))) from error
        if not os.access(self.state_dir, os.W_OK):
            raise StateFolderError(self._unwritable("it may only be read"))

    def check_startable(self) -> None:
        """Refuse what a server that takes this one's place could not start with; see `check_free`.

        It may run already, on its own port.
        """
        running = self._running()
        if running is None or running["port"] != self.port:
            self.check_free()

    def stop(self) -> bool:
        """Stop the server in an orderly way, saving all state.

        Returns:
            Whether it was running.
        """
        running = self._running()
        if running is None:
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(running["pid"])
            children = process.children(recursive=True)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(STOP_SECONDS)
            _kill(children)
        return True

    def wipe(self) -> None:
        """Stop the server and delete all of its state.

        Raises:
            EmbeddedAwsError: If the folder holds something else than an embedded AWS's state.
        """
        self.stop()
        if not self.state_dir.exists():
            return
        if not self._layout.is_ours():
            raise EmbeddedAwsError(
                f"state_dir must be a folder of the embedded AWS, got {self.state_dir}; "
                "delete it by hand if nothing in it is needed"
            )
        shutil.rmtree(self.state_dir)

    def connection(self) -> dict[str, Any]:
        """What `embedded.json` says: port, pid, endpoint_url, region, account and credentials.

        Raises:
            NotRunningError: If the server does not run.
        """
        running = self._running()
        if running is None:
            raise NotRunningError(
                f"the embedded AWS of {self.state_dir} does not run; start it with `fraudloop up`"
            )
        return running

    def behaviour(self) -> dict[str, str]:
        """The readings that it was told to play; of other questions it plays the assumed ones."""
        kept = self._layout.behaviour
        return questions.read(kept) if kept.exists() else {}

    def environment(self) -> dict[str, str]:
        """This process's environment, changed so that AWS SDKs and the CDK CLI use the server."""
        known = self.connection()
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("AWS_")
        }
        return environment | settings.client_environment(
            settings.Connection(
                port=known["port"],
                pid=known["pid"],
                region=known["region"],
                access_key_id=known["access_key_id"],
                secret_access_key=known["secret_access_key"],
            )
        )

    def session(self) -> boto3.Session:
        """A boto3 session whose clients talk to the server, whatever the environment says."""
        from local_aws import clients  # noqa: PLC0415 - boto3 takes longer than starting a verb

        return clients.endpoint_session(self.connection())

    def _running(self) -> dict[str, Any] | None:
        """The connection document if its process lives and is ours, not another with its pid."""
        document = settings.read_connection(self._layout)
        if document is None:
            return None
        try:
            command = psutil.Process(document["pid"]).cmdline()
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            return None
        ours = "local_aws.launcher" in command and str(self.state_dir) in command
        return document if ours else None

    def _checked_region(self) -> str:
        try:
            return settings.region_of(self._layout, self._region)
        except ValueError as error:
            raise RegionError(str(error)) from None

    def _check_plays(self, behaviour: dict[str, str] | None) -> None:
        if behaviour is not None and behaviour != self.behaviour():
            raise BehaviourError(
                f"the embedded AWS of {self.state_dir} already runs and plays something else than "
                f"{self._behaviour}; stop it with `fraudloop down` first"
            )

    def _unwritable(self, why: str) -> str:
        return (
            f"state_dir must be a folder that can be written, got {self.state_dir}: {why}; "
            "choose another one"
        )

    def _wait_until_healthy(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise EmbeddedAwsError(
                    f"the embedded AWS ended with code {process.returncode}: "
                    f"{self._layout.last_log_lines()}"
                )
            document = settings.read_connection(self._layout)
            if document is not None and document["pid"] == process.pid and _healthy(self.port):
                return
            time.sleep(0.05)
        process.kill()
        raise EmbeddedAwsError(
            f"the embedded AWS did not answer on port {self.port} within {START_SECONDS:.0f} s: "
            f"{self._layout.last_log_lines()}"
        )


def _kill(processes: list[psutil.Process]) -> None:
    """End what the server started and did not end itself."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(settings.HOST, port, timeout=2)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
