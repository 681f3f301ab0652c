"""Synthesis depends on the source and on the environment's name, and on nothing else."""

import os
import re
import subprocess
import sys
from pathlib import Path

from .conftest import Synthesized

HERE = Path(__file__).parent
ACCOUNT = re.compile(r"(?<=[:\"])\d{12}(?=[:\"])")
REGION = re.compile(r"\b(?:us|eu|ap|sa|ca|me|af|il|mx)-(?:[a-z]+)-\d\b")


def test_two_synths_are_the_same_bytes(
    twins: tuple[Synthesized, Synthesized], environment: str
) -> None:
    ordinary, cut_off = (twin.files(environment) for twin in twins)
    assert len([name for name in ordinary if name.endswith(".template.json")]) == 7
    assert ordinary.keys() == cut_off.keys()
    assert [name for name in ordinary if ordinary[name] != cut_off[name]] == []


def test_templates_name_no_account_and_no_region(
    synthesized: Synthesized, environment: str
) -> None:
    for name, body in synthesized.files(environment).items():
        if name.endswith(".template.json"):
            assert ACCOUNT.findall(body.decode()) == [], name
            assert REGION.findall(body.decode()) == [], name


def test_no_path_of_this_machine_is_synthesized(synthesized: Synthesized, environment: str) -> None:
    root = str(HERE.parents[1]).encode()
    files = synthesized.files(environment)
    assert [name for name, body in files.items() if root in body] == []


def test_the_guard_refuses_sockets_in_python() -> None:
    code = (
        "import socket, synthesize as s; s.refuse_sockets(); socket.create_connection(('::1', 9))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "synthesis opened a socket" in result.stderr


def test_the_guard_refuses_sockets_in_node() -> None:
    result = subprocess.run(
        [os.environ.get("JSII_NODE", "node"), "-e", "require('net').connect(9, '127.0.0.1')"],
        env={**os.environ, "NODE_OPTIONS": f"--require={HERE / 'cut_off.cjs'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "synthesis opened a socket" in result.stderr
