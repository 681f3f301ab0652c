"""Where an entry point runs: out of the working tree, or in the image as AWS would run it."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pipeline_code

PROJECT = Path(pipeline_code.__file__).parents[1]
# Process 1 of namespaces of its own; the network is this machine's.
NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--kill-child")
# The image's root cannot be written to; its arguments are that root, /opt/ml, and the user.
ENTER = """
set -e
root="$1" ml="$2" user="$3"
shift 3
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t tmpfs tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind "$ml" "$root/opt/ml"
exec chroot --userspec="$user:$user" "$root" "$@"
"""


class Place(Protocol):
    """Starts Python with a folder for its /opt/ml."""

    def start(
        self, arguments: Sequence[str], ml: Path, environment: Mapping[str, str]
    ) -> subprocess.Popen[str]:
        """The running process; its standard output and error are one pipe."""


@dataclass(frozen=True)
class WorkingTree:
    """This interpreter, on whose libraries all other tests run."""

    def start(
        self, arguments: Sequence[str], ml: Path, environment: Mapping[str, str]
    ) -> subprocess.Popen[str]:
        """The running process."""
        own = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(PROJECT),
            "SAGEMAKER_BASE_DIR": str(ml),
        }
        return _started([sys.executable, *arguments], own | dict(environment))


@dataclass(frozen=True)
class Image:
    """The unpacked image, with the settings that it was built with.

    Args:
        root: Its root folder.
        config: Its configuration, by the OCI's names.
        user: The number of the user that runs it; Lambda's is not root.
    """

    root: Path
    config: Mapping[str, Any]
    user: int

    def start(
        self, arguments: Sequence[str], ml: Path, environment: Mapping[str, str]
    ) -> subprocess.Popen[str]:
        """The running process, which is process 1."""
        own = dict(variable.split("=", 1) for variable in self.config["Env"])
        python = self.config["Entrypoint"][0]
        enter = [*NAMESPACES, "sh", "-c", ENTER, "sh", str(self.root), str(ml), str(self.user)]
        _open(ml)
        return _started([*enter, python, *arguments], own | dict(environment))


def run(place: Place, arguments: Sequence[str], ml: Path, environment: Mapping[str, str]) -> str:
    """What a process prints that has to succeed."""
    process = place.start(arguments, ml, environment)
    printed, _ = process.communicate(timeout=600)
    assert process.returncode == 0, printed
    return printed


def entry_of(process: subprocess.Popen[str]) -> int:
    """The process that runs the entry: the one that was started, or what that made process 1."""
    if process.args[0] != NAMESPACES[0]:  # type: ignore[index] # a list, as they all are here
        return process.pid
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return int(children.split()[0])


def contents(folder: Path) -> dict[str, bytes]:
    """The files below a folder."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def _started(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        env=dict(environment),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _open(ml: Path) -> None:
    """Let every user write below the folder, as a job's own folders are."""
    for path in (ml, *ml.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
