"""The confinement of a container's process: what of this machine it sees, and where.

Where the kernel lets a user make namespaces, a container has a file system of its own: the
system's programs and this project's interpreter and libraries to be read, the image's code at
`/opt/program`, and what is mounted for it; nothing else of the machine, the state folder included.
"""

import functools
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local_aws.containers import namespaces
from local_aws.settings import PROJECT_ROOT
from pipeline_code.common.kernel_cache import IMAGE_CACHE, user_cache

# Set to 1 for the server, containers are plain processes even where they need not be.
PLAIN = "FRAUDLOOP_PLAIN_CONTAINERS"
# Folders of stand-ins, as in PATH: containers see them where they are, as parts of the image.
STAND_INS = "FRAUDLOOP_IMAGE_FOLDERS"
# Folders that containers and functions see where they are, and may write to, as in PATH: for tests.
SHARED = "FRAUDLOOP_SHARED_FOLDERS"
PROGRAM = "/opt/program"
_LAMBDA_USER = 993
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr", "/etc", "/nix")
_MODULE = Path(namespaces.__file__).resolve()
_PROBE_SECONDS = 20.0
_LOG = logging.getLogger("fraudloop")

Mount = tuple[str | int, str, str]


def supervised(
    command: Sequence[str],
    *,
    folder: str,
    temporary: Path,
    mounts: Sequence[Mount],
    program: Path = PROJECT_ROOT,
    lifeline: int = -1,
    network: bool = True,
) -> list[str]:
    """The command line that runs a command in a container of the image.

    Args:
        command: What is run.
        folder: Its working directory, in the container.
        temporary: A private folder of this machine for what confining needs.
        mounts: What is mounted besides the image, and before it, which may lie in `/tmp`.
        program: The folder with the image's code.
        lifeline: A pipe that the starter keeps open for as long as the container may run.
        network: Whether it has this machine's network.
    """
    confined = refusal() is None
    spec = {
        **_spec(command, folder, temporary),
        "lifeline": lifeline,
        "namespaces": confined,
        "mounts": [*mounts, *system(sys.prefix), *image(program), *_shared()] if confined else [],
        "network": network,
    }
    return _command(spec)


def function(
    command: Sequence[str], *, folder: str, temporary: Path, mounts: Sequence[Mount]
) -> list[str]:
    """The command line that runs a command as Lambda does: not as root, and read-only.

    Args:
        command: What is run.
        folder: Its working directory, in the container.
        temporary: A private folder of this machine for what confining needs.
        mounts: All that is mounted.
    """
    users = temporary / "passwd"  # whoever looks for its home must be known
    users.write_text(f"sbx_user1051:x:{_LAMBDA_USER}:{_LAMBDA_USER}::/home/sbx_user1051:/bin/sh\n")
    spec = {
        **_spec(command, folder, temporary),
        "mounts": [*mounts, (str(users), "/etc/passwd", "r"), *_shared()],
        "read_only": True,
        "user": _LAMBDA_USER,
        "patient": False,
    }
    return _command(spec)


def _spec(command: Sequence[str], folder: str, temporary: Path) -> dict[str, Any]:
    staging = temporary / "root"
    staging.mkdir(exist_ok=True)
    return {
        "command": list(command),
        "folder": folder,
        "lifeline": -1,
        "namespaces": True,
        "staging": str(staging),
        "mounts": [],
        "read_only": False,
        "network": True,
        "user": 0,
        "patient": True,
    }


def _command(spec: Mapping[str, Any]) -> list[str]:
    return [sys.executable, "-I", "-S", str(_MODULE), json.dumps(spec)]


@functools.cache
def refusal() -> str | None:
    """Why containers are plain processes here, or None if they are confined; tried once."""
    if os.environ.get(PLAIN) == "1":
        return f"{PLAIN} is set"
    with tempfile.TemporaryDirectory(prefix="probe-") as temporary:
        try:
            done = subprocess.run(
                _command(_probe(Path(temporary))),
                env={},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_PROBE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
    if done.returncode == 0 and done.stdout.strip() == "1":
        return None
    return (done.stderr or done.stdout).strip()[-300:] or f"the probe ended with {done.returncode}"


def words() -> str:
    """What a person is told about how containers run here."""
    reason = refusal()
    if reason is None:
        return "confined: /opt/ml, process 1, a file system of their own"
    return (
        f"plain processes, which see this machine: {reason}. Jobs find /opt/ml where "
        "SAGEMAKER_BASE_DIR says; see local_aws/README.md, Containers"
    )


def announce() -> None:
    """Find out in a thread how containers run here, and put it into the log."""

    def work() -> None:
        level = logging.INFO if refusal() is None else logging.WARNING
        _LOG.log(level, "containers are %s", words())

    threading.Thread(target=work, name="confinement", daemon=True).start()


def _probe(temporary: Path) -> dict[str, Any]:
    """The same as a container, and its interpreter finds its libraries and is process 1."""
    command = [sys.executable, "-c", "import os, ssl; print(os.getpid())"]
    return {
        **_spec(command, PROGRAM, temporary),
        "mounts": [(str(temporary), "/tmp", "w"), *system(sys.prefix), *image()],  # noqa: S108
        "read_only": True,
        "network": False,
    }


def system(*more: str) -> list[Mount]:
    """The machine's programs, the interpreter, and more places, to be read where they are."""
    # The interpreter may be a link out of the virtual environment, and that another link.
    own = {sys.base_prefix, str(Path(sys.executable).resolve().parent.parent), *more}
    paths = [path for path in sorted(own) if not path.startswith("/usr") and Path(path).exists()]
    return [
        *((path, path, "r") for path in _SYSTEM if Path(path).exists()),
        *((str(Path(path).resolve()), path, "r") for path in paths),
    ]


@functools.cache
def image(program: Path = PROJECT_ROOT) -> tuple[Mount, ...]:
    """An image's code, and what stands in for it."""
    code = program / "pipeline_code"
    return (
        *((path, path, "r") for path in _folders(STAND_INS)),
        (str(code), f"{PROGRAM}/{code.name}", "r"),
        # The image's kernels are compiled; here whoever needs them first does that, for all.
        (str(user_cache()), str(IMAGE_CACHE), "w"),
        *_caches(code),
    )


def _shared() -> list[Mount]:
    return [(path, path, "w") for path in _folders(SHARED)]


def _folders(variable: str) -> list[str]:
    return list(filter(None, os.environ.get(variable, "").split(os.pathsep)))


def _caches(code: Path) -> list[Mount]:
    """Where Python keeps compiled modules: to be written to, as in the image."""
    mounts: list[Mount] = []
    for package in sorted(path.parent for path in code.rglob("__init__.py")):
        cache = package / "__pycache__"
        cache.mkdir(exist_ok=True)
        place = f"{PROGRAM}/{code.name}/{cache.relative_to(code)}"
        mounts.append((str(cache), place, "w"))
    return mounts
