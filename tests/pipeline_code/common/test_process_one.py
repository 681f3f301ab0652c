"""SIGTERM ends an entry that is process 1, as in a container, where no signal has a default action.

A namespace of its own makes it that, which needs no privilege where the kernel lets ordinary users
have one.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

import pipeline_code

PROJECT = Path(pipeline_code.__file__).parents[1]
NAMESPACE = ("unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child")
SIGTERM_CAUGHT = 1 << signal.SIGTERM - 1
SERVING_SLOW = """
from types import SimpleNamespace
from pipeline_code.serve.entry import server

running = server(SimpleNamespace(host="127.0.0.1", port=8080, workers=2))
running.target = "slow:build"
running.serve()
"""
LOADING_FOR_EVER = """
import os, signal

def build():
    open(os.environ["SAGEMAKER_BASE_DIR"] + "/loading", "w").close()
    while True:
        signal.pause()
"""


@pytest.fixture(scope="module", autouse=True)
def namespaces() -> None:
    tried = subprocess.run([*NAMESPACE, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(
            f"this machine forbids namespaces, so that nothing is process 1: {tried.stderr}"
        )


@contextmanager
def process_one(
    root: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Python as process 1, and its id outside of the namespace."""
    variables = {"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(root)}
    with subprocess.Popen(
        [*NAMESPACE, sys.executable, *arguments],
        cwd=PROJECT,
        env=variables | dict(environment or {}),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        try:
            while not (found := children.read_text().split()):
                assert process.poll() is None, process.communicate()[1]
                time.sleep(0.01)
            yield process, int(found[0])
        finally:
            process.kill()


def catches_sigterm(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii").split()
    return bool(int(status[status.index("SigCgt:") + 1], base=16) & SIGTERM_CAUGHT)


def test_an_entry_ends_at_once_as_a_shell_would_report_it(tmp_path: Path) -> None:
    years = ("--start", "2018-01-01", "--days", "9999", "--output", str(tmp_path / "lake"))
    with process_one(tmp_path, "-m", "pipeline_code", "simulate", *years) as (process, pid):
        while not catches_sigterm(pid):
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.01)
        os.kill(pid, signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM


def test_a_server_ends_at_once_while_its_workers_load(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(LOADING_FOR_EVER)
    environment = {"PYTHONPATH": f"{PROJECT}:{tmp_path}"}
    with process_one(tmp_path, "-c", SERVING_SLOW, environment=environment) as (process, pid):
        while not (tmp_path / "loading").exists():
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.01)
        os.kill(pid, signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    assert "refused to gracefully stop" not in log
