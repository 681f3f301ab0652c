"""The project's image as processes: what `docker run` would do, without Docker.

A "container" is a process of the image's Python entry point, with only the environment that
SageMaker gives to a container, confined as far as the kernel lets it be (`confinement`).
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local_aws import adapter
from local_aws.containers import confinement, project_image
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import unsupported, validation
from local_aws.sagemaker.logs import LogStream
from local_aws.settings import PROJECT_ROOT
from pipeline_code.common.kernel_cache import user_cache

ML = "/opt/ml"
# For the last of its output, which others of its processes may hold open.
_OUTPUT_SECONDS = 10.0


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
    root.mkdir(parents=True)
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
    program: Path = PROJECT_ROOT,
    isolated: bool = False,
) -> dict[str, str]:
    """All that a container's process gets to see; nothing of the server's own environment.

    That is the image's variables, over them those of the request, and where to get the role's
    credentials, as on AWS; of its own accord SageMaker tells no region: not where it hosts
    (sagemaker-containers #112: "SageMaker Hosting doesn't set `AWS_REGION` (yet)") nor in jobs
    (sagemaker-training-toolkit #12: "I don't think 'AWS_REGION' is set the platform in Training").
    `AWS_ENDPOINT_URL` is the one addition, without which nobody would find the embedded AWS.

    Args:
        context: Shared state.
        root: Its `/opt/ml`.
        role_arn: The role that its AWS calls are made with.
        session_name: The session of that role, as CloudTrail would show it.
        variables: What the request asks to be set.
        program: The folder with the image's code.
        isolated: Whether it has network isolation: SageMaker gives it no credentials then.
    """
    image = dict(project_image.ENVIRONMENT)
    if confinement.refusal() is not None:
        image |= {"HOME": str(root), "SAGEMAKER_BASE_DIR": str(root), "PYTHONPATH": ""}
        image |= {"NUMBA_CACHE_DIR": str(user_cache())}
        # With no network it would not get at the credentials of the machine that it runs on.
        image |= {"AWS_EC2_METADATA_DISABLED": "true"} if isolated else {}
    # A job's or model's own modules come before the image's.
    paths = [variables.get("PYTHONPATH"), image["PYTHONPATH"] or str(program)]
    image |= {**variables, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    if isolated:
        return image

    def fetch() -> dict[str, str]:
        return context.role_environment(role_arn, session_name, adapter.CREDENTIAL_SECONDS)

    fetch()  # a role that cannot be assumed fails what is started, and not its first call
    credentials = adapter.serve_credentials(fetch, context.endpoint_url)
    return image | credentials | {"AWS_ENDPOINT_URL": context.endpoint_url}


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """The folders of a container that last.

    Args:
        root: Its `/opt/ml` on this machine.
        mounts: What of it is mounted, below `/opt/ml`, and whether it may be written to; if
            omitted, all of it and yes.
        program: The folder with the image's code.
    """

    root: Path
    mounts: Mapping[str, bool] = field(default_factory=lambda: {"": True})
    program: Path = PROJECT_ROOT


class Container:
    """A running process of the image.

    Args:
        arguments: What `command` gave.
        disk: Its folders.
        variables: What `environment` gave.
        log: Takes every line it prints.
        isolated: Whether it has no network but its own loopback.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        disk: Disk,
        variables: Mapping[str, str],
        log: LogStream,
        *,
        isolated: bool = False,
    ) -> None:
        self._log = log
        self._temporary = Path(tempfile.mkdtemp(prefix="container-"))
        self._variables = dict(variables)
        # Closed when this process ends, however it does, and the container ends with it.
        lifeline, self._lifeline = os.pipe()
        self._cutting = threading.Lock()
        try:
            self._process = subprocess.Popen(
                self._supervised(arguments, disk, lifeline, isolated=isolated),
                cwd=disk.root,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
                pass_fds=(lifeline,),
            )
        finally:
            os.close(lifeline)
        self._reader = threading.Thread(target=self._read, daemon=True, name="container-output")
        self._reader.start()

    def _supervised(
        self, arguments: Sequence[str], disk: Disk, lifeline: int, *, isolated: bool
    ) -> list[str]:
        own = self._temporary / "tmp"
        own.mkdir()
        confined = confinement.refusal() is None
        if not confined:
            self._variables["TMPDIR"] = str(own)
        for name in disk.mounts:
            (disk.root / name).mkdir(parents=True, exist_ok=True)
        places = [
            (str(disk.root / name), f"{ML}/{name}".rstrip("/"), "w" if writable else "r")
            for name, writable in disk.mounts.items()
        ]
        # The image's working directory, where Python looks first; stand-ins come before it.
        stands_in = self._variables["PYTHONPATH"] != project_image.ENVIRONMENT["PYTHONPATH"]
        return confinement.supervised(
            arguments,
            folder=str(disk.root) if not confined else ML if stands_in else confinement.PROGRAM,
            temporary=self._temporary,
            mounts=[*places, (str(own), "/tmp", "w")],  # noqa: S108 - the container's
            program=disk.program,
            lifeline=lifeline,
            network=not isolated,
        )

    @property
    def pid(self) -> int:
        """The process that starts it and ends with it."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """As a shell gives it, so that 128 and more is a signal; None while it runs."""
        code = self._process.poll()
        return None if code is None else _shell_code(code)

    def wait(self, seconds: float | None = None) -> int | None:
        """Wait for its end; None if it still runs after that time."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._reader.join(_OUTPUT_SECONDS)
        return _shell_code(code)

    def stop(self, grace_seconds: float) -> None:
        """Ask it to end (SIGTERM), and end it if it has not after a while."""
        self.ask_to_stop()
        self.wait(grace_seconds)
        self._cut()
        self.wait()
        adapter.withdraw_credentials(self._variables)
        shutil.rmtree(self._temporary, ignore_errors=True)

    def ask_to_stop(self) -> None:
        """Ask it to end, without waiting: SIGTERM to its process 1 and no other, as Docker does."""
        self._process.terminate()

    def _cut(self) -> None:
        """End it with all of its processes (SIGKILL)."""
        with self._cutting:
            if self._lifeline >= 0:
                os.close(self._lifeline)
                self._lifeline = -1

    def _read(self) -> None:
        output = self._process.stdout
        if output is None:
            return
        with output:
            for line in output:
                self._log.write(line.rstrip("\n"))


def _shell_code(code: int) -> int:
    return 128 - code if code < 0 else code
