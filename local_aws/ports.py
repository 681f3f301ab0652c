"""Ports of this machine: which are free, and who has the others."""

import socket

import psutil

from local_aws.settings import HOST


def free_port() -> int:
    """A port that no program listens on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def taken_by(port: int) -> str | None:
    """The process that listens on a port, or None if it is free."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return _listener(port)
    return None


def _listener(port: int) -> str:
    """The process that listens on a port, as far as the system tells."""
    for process in psutil.process_iter(["pid", "name", "cmdline"]):
        try:
            sockets = process.net_connections(kind="inet")
        except psutil.Error:
            continue
        if any(s.status == psutil.CONN_LISTEN and s.laddr.port == port for s in sockets):
            command = " ".join(process.info["cmdline"] or [process.info["name"]])
            return f"process {process.info['pid']} ({command[:120]})"
    return "a process of another user"
