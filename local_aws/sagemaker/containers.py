"""The project's image as processes: what `docker run` would do, without Docker.

A "container" is a process of the image's Python entry point, with a private folder in place of
`/opt/ml` and only the environment that SageMaker gives to a container.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from local_aws import adapter, project_image
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import unsupported, validation
from local_aws.sagemaker.logs import LogStream
from local_aws.settings import PROJECT_ROOT

ML = "/opt/ml"
_GRACE_SECONDS = 10.0


def check_image(context: Context, image: str) -> None:
    """Refuse an image that is not the project's, which is the only one that can run here.

    Raises:
        ServiceError: Naming the image.
    """
    with adapter.request_scope(context.account, context.region):
        ours = project_image.is_ours(image)
    if not ours:
        raise unsupported(f"the image '{image}'", project_image.ONLY_OURS)


def command(entrypoint: Sequence[str] | None, arguments: Sequence[str] | None) -> list[str]:
    """What a container of the image runs: its entry point, or another Python one, and arguments.

    Raises:
        ServiceError: If the entry point is not Python.
    """
    words = [*(entrypoint or project_image.IMAGE_ENTRYPOINT), *(arguments or ())]
    if not project_image.is_python(words):
        raise unsupported(f"the entry point '{words[0]}'", project_image.ONLY_PYTHON)
    return [sys.executable, *words[1:]]


def make_root(context: Context, name: str) -> Path:
    """A new private folder in place of `/opt/ml`."""
    root = context.ml_dir / name
    shutil.rmtree(root, ignore_errors=True)
    (root / "tmp").mkdir(parents=True)
    return root


def local_path(root: Path, container_path: str, field: str) -> Path:
    """Where a path of the container lies: `/opt/ml/model` is `<root>/model`.

    Raises:
        ServiceError: If it does not lie below `/opt/ml`.
    """
    if not container_path.startswith(f"{ML}/") or ".." in Path(container_path).parts:
        raise validation(f"{field} must be a path below {ML}, got {container_path}")
    return root / container_path.removeprefix(f"{ML}/")


def environment(
    context: Context,
    root: Path,
    *,
    role_arn: str,
    session_name: str,
    variables: Mapping[str, str],
    isolated: bool = False,
    told_region: bool = True,
) -> dict[str, str]:
    """All that a container's process gets to see; nothing of the server's own environment.

    Args:
        context: Shared state.
        root: Its `/opt/ml`.
        role_arn: The role that its AWS calls are made with.
        session_name: The session of that role, as CloudTrail would show it.
        variables: What the request asks to be set.
        isolated: Whether it has network isolation: SageMaker gives it no credentials then.
        told_region: Whether SageMaker sets the region: it does in jobs, and not where it hosts a
            model (sagemaker-containers #112: "SageMaker Hosting doesn't set AWS_REGION (yet)").
    """
    own = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
        # A job's or model's own modules come before the image's.
        "PYTHONPATH": os.pathsep.join(
            [*filter(None, [variables.get("PYTHONPATH")]), str(PROJECT_ROOT)]
        ),
        "PYTHONUNBUFFERED": "1",
        "LANG": "C.UTF-8",
        "HOME": str(root),
        "TMPDIR": str(root / "tmp"),
        "SAGEMAKER_BASE_DIR": str(root),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    if told_region:
        own |= {"AWS_REGION": context.region, "AWS_DEFAULT_REGION": context.region}
    if not isolated:
        own |= {"AWS_ENDPOINT_URL": context.endpoint_url}
        own |= context.role_environment(role_arn, session_name)
    return {**variables, **own}


class Container:
    """A running process of the image.

    Args:
        arguments: What `command` gave.
        root: Its `/opt/ml`, which is its working directory too.
        variables: What `environment` gave.
        log: Takes every line it prints.
    """

    def __init__(
        self, arguments: Sequence[str], root: Path, variables: Mapping[str, str], log: LogStream
    ) -> None:
        self._log = log
        self._process = subprocess.Popen(
            list(arguments),
            cwd=root,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # so that `stop` reaches its own children too
        )
        self._reader = threading.Thread(target=self._read, daemon=True, name="container-output")
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process, which leads a group of its own."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float | None = None) -> int | None:
        """Wait for its end; None if it still runs after that time."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._reader.join(_GRACE_SECONDS)
        return code

    def stop(self, grace_seconds: float = _GRACE_SECONDS) -> None:
        """Ask it to end (SIGTERM), and end it if it has not after a while."""
        self.ask_to_stop()
        self.wait(grace_seconds)
        self._signal(signal.SIGKILL)  # its own children may outlive it
        self.wait()

    def ask_to_stop(self) -> None:
        """Ask it to end (SIGTERM), without waiting."""
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return

    def _read(self) -> None:
        output = self._process.stdout
        if output is None:
            return
        with output:
            for line in output:
                self._log.write(line.rstrip("\n"))
