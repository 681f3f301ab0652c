"""Every environment, synthesized twice by processes as unlike as can be, once for all tests."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lifecycle  # noqa: F401  # first: it tells jsii which node to start when aws_cdk is imported

# isort: split
import pytest

from stacks.environments import ENVIRONMENTS

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
Template = dict[str, Any]


@dataclass(frozen=True)
class Synthesized:
    """Where the assemblies of all environments are, one folder each."""

    folder: Path

    def files(self, environment: str) -> dict[str, bytes]:
        root = self.folder / environment
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }

    def templates(self, environment: str) -> dict[str, Template]:
        return {
            path.name.removesuffix(".template.json"): json.loads(path.read_text())
            for path in sorted((self.folder / environment).glob("*.template.json"))
        }

    def report(self, environment: str) -> dict[str, Any]:
        """What cdk-nag and CloudFormation's own rules found, and what was accepted."""
        text = (self.folder / environment / "validation-report.json").read_text()
        return dict(json.loads(text))


@pytest.fixture(scope="session", params=list(ENVIRONMENTS))
def environment(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def twins(tmp_path_factory: pytest.TempPathFactory) -> tuple[Synthesized, Synthesized]:
    """The same environments from an ordinary process, and from one cut off from the world.

    The second has no network, no programs on its path, no AWS settings, another hash seed, another
    working folder and, in Node, a clock that is a year ahead.
    """
    nothing = tmp_path_factory.mktemp("nothing")
    ordinary = _start(
        tmp_path_factory.mktemp("ordinary"),
        environment={**os.environ, "PYTHONHASHSEED": "0", "AWS_REGION": "eu-central-1"},
    )
    cut_off = _start(
        tmp_path_factory.mktemp("cut-off"),
        "--offline",
        environment={
            "PYTHONHASHSEED": "1",
            "PATH": str(nothing),
            "HOME": os.environ.get("HOME", str(nothing)),
            "JSII_NODE": os.environ.get("JSII_NODE") or str(shutil.which("node")),
            "NODE_OPTIONS": f"--require={HERE / 'cut_off.cjs'}",
            "AWS_CONFIG_FILE": str(nothing / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(nothing / "credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
        },
    )
    return _finish(ordinary), _finish(cut_off)


@pytest.fixture(scope="session")
def synthesized(twins: tuple[Synthesized, Synthesized]) -> Synthesized:
    return twins[0]


@pytest.fixture(scope="session")
def templates(synthesized: Synthesized, environment: str) -> dict[str, Template]:
    return synthesized.templates(environment)


Run = tuple[Path, "subprocess.Popen[str]"]


def _start(folder: Path, *arguments: str, environment: dict[str, str]) -> Run:
    process = subprocess.Popen(
        [sys.executable, str(HERE / "synthesize.py"), str(folder / "out"), *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'constructs'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return folder / "out", process


def _finish(run: Run) -> Synthesized:
    folder, process = run
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return Synthesized(folder)
