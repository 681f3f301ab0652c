"""Runs one command as a container does, without root: `python -I -S namespaces.py '<spec>'`.

A process of its own, with the standard library alone: it makes user, mount, process and, if asked
for, network namespaces (user_namespaces(7)), builds a file system of mounts, and runs the command
in it as process 1. It passes SIGTERM on to that process alone, as `docker stop` does, ends with
its exit code (128 and the number of a signal that ended it), and ends it if its own starter ends.

The specification is a JSON object:
    command, folder: what is run, and where.
    lifeline: a pipe that the starter keeps open while it lives; -1 for none.
    namespaces: whether to make any; without, the command is run as it is.
    staging: an empty folder, on which the file system is built.
    mounts: [source, place, "r" or "w"], or [megabytes, place, "tmpfs"], in their order.
    read_only: whether nothing can be written but what is mounted for it.
    network: whether it has this machine's network; else its own, with nobody else in it.
    user: what the user that it runs as is called in there: 0 is root.
    patient: whether SIGTERM is passed on; else it ends the command at once.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Any

_LIBC = ctypes.CDLL(None, use_errno=True)
_NEW_USER, _NEW_MOUNTS, _NEW_PIDS = 0x10000000, 0x00020000, 0x20000000
_NEW_IPC, _NEW_NETWORK = 0x08000000, 0x40000000
_NOSUID, _NODEV, _NOEXEC = 2, 4, 8
_BIND, _RECURSIVE, _SLAVE = 4096, 16384, 1 << 19
_DETACH = 2
_PR_SET_PDEATHSIG = 1
# The numbers of both are the same on every architecture (kernel 5.12 has the second).
_SYS_PIVOT_ROOT = {"x86_64": 155}.get(os.uname().machine, 41)
_SYS_MOUNT_SETATTR = 442
_AT_FDCWD, _AT_RECURSIVE, _ATTR_READ_ONLY = -100, 0x8000, 1
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_DEVICES = ("full", "null", "random", "tty", "urandom", "zero")
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
# As a shell and Docker's daemon say that a command could not be run.
_CANNOT_RUN = 125
_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}


def main(spec: dict[str, Any]) -> int:
    """Run the command to its end; its exit code."""
    if spec["namespaces"]:
        _enter(spec)
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    child = os.fork()
    if child == 0:
        _become(spec)
    return _watch(child, spec)


def _enter(spec: dict[str, Any]) -> None:
    """Make the namespaces and the file system; what runs next is process 1 of them."""
    user, group = os.getuid(), os.getgid()
    kinds = _NEW_USER | _NEW_MOUNTS | _NEW_PIDS | _NEW_IPC
    _check("unshare", _LIBC.unshare(kinds | (0 if spec["network"] else _NEW_NETWORK)))
    # Root in there, as a container's user is, or another, and itself for everybody else.
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{spec['user']} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{spec['user']} {group} 1")
    _mount("none", "/", None, _RECURSIVE | _SLAVE)
    root = spec["staging"]
    _mount("tmpfs", root, "tmpfs", _NOSUID, "mode=0755,size=64m")
    for source, place, kind in spec["mounts"]:
        _place(source, Path(root + place), kind)
    _devices(Path(root, "dev"))
    Path(root, "proc").mkdir()
    if not spec["network"]:
        _loopback_up()


def _place(source: Any, target: Path, kind: str) -> None:
    if kind == "tmpfs":
        target.mkdir(parents=True, exist_ok=True)
        _mount("tmpfs", str(target), "tmpfs", _NOSUID | _NODEV, f"mode=1777,size={source}m")
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    path = Path(source)
    if path.is_symlink():
        target.symlink_to(path.readlink())
        return
    if path.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    elif not target.exists():
        target.touch()
    _mount(source, str(target), None, _BIND | _RECURSIVE)
    if kind == "r":
        _make_read_only(target)


def _devices(folder: Path) -> None:
    folder.mkdir()
    for name in _DEVICES:
        (folder / name).touch()
        _mount(f"/dev/{name}", str(folder / name), None, _BIND)
    for name, target in _LINKS.items():
        (folder / name).symlink_to(target)
    (folder / "shm").mkdir()
    _mount("tmpfs", str(folder / "shm"), "tmpfs", _NOSUID | _NODEV, "mode=1777")


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def _become(spec: dict[str, Any]) -> None:
    """In the child: become the command."""
    try:
        os.setsid()
        if sys.platform == "linux":
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if spec["lifeline"] >= 0:
            os.set_inheritable(spec["lifeline"], False)
        if spec["namespaces"]:
            _change_root(spec["staging"], read_only=spec["read_only"])
        os.chdir(spec["folder"])
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        os.execvp(spec["command"][0], spec["command"])  # noqa: S606 - that is what it is for
    except OSError as error:
        print(f"{spec['command'][0]} could not be run: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(_CANNOT_RUN)


def _change_root(root: str, *, read_only: bool) -> None:
    _mount("proc", f"{root}/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    os.chdir(root)
    if read_only:
        # The tree itself, without the mounts in it: what may be written is mounted.
        _make_read_only(Path(root), recursive=False)
    # The old root ends up beneath the new one (pivot_root(2)), and leaves.
    _check("pivot_root", _LIBC.syscall(_SYS_PIVOT_ROOT, b".", b"."))
    _check("umount", _LIBC.umount2(b".", _DETACH))
    os.chdir("/")


def _watch(child: int, spec: dict[str, Any]) -> int:
    """Pass signals on, and wait for the child's end or the starter's."""
    heard, bell = os.pipe()
    for end in (heard, bell):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda n, _: _send(child, n) if spec["patient"] else _end_all(child))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    lifeline = [spec["lifeline"]] if spec["lifeline"] >= 0 else []
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        ready, _, _ = select.select([heard, *lifeline], [], [])
        if heard in ready:
            os.read(heard, 4096)
        if set(ready) & set(lifeline):
            lifeline = []
            _end_all(child)
    if not spec["namespaces"]:
        _end_all(child)  # in a namespace the kernel does so, when its process 1 ends
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _end_all(child: int) -> None:
    for end in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            end(child, signal.SIGKILL)


def _send(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _make_read_only(target: Path, *, recursive: bool = True) -> None:
    attributes = struct.pack("QQQQ", _ATTR_READ_ONLY, 0, 0, 0)
    how = _AT_RECURSIVE if recursive else 0
    arguments = (_AT_FDCWD, os.fsencode(target), how, attributes, len(attributes))
    _check(f"mount_setattr {target}", _LIBC.syscall(_SYS_MOUNT_SETATTR, *arguments))


def _mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    arguments = (
        os.fsencode(source),
        os.fsencode(target),
        None if kind is None else kind.encode(),
        ctypes.c_ulong(flags),
        data.encode(),
    )
    _check(f"mount {target}", _LIBC.mount(*arguments))


def _check(what: str, result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    try:
        code = main(json.loads(sys.argv[1]))
    except OSError as error:
        print(error, file=sys.stderr, flush=True)
        code = _CANNOT_RUN
    os._exit(code)
