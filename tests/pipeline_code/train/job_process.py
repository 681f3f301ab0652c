"""A training job as SageMaker runs it: a process of its own, with a root of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_code.features.definitions import SCHEMA_VERSION

PROJECT = Path(__file__).parents[3]


@dataclass(frozen=True)
class JobProcess:
    """One host of a training job."""

    root: Path
    process: "subprocess.Popen[str]"

    def end(self, seconds: float = 120) -> int:
        """Waits for the end; returns the exit code."""
        return self.process.wait(seconds)

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged, without what libraries say."""
        lines = (self.root / "log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def failure(self) -> str:
        """Why it failed, as SageMaker reads it."""
        return (self.root / "output" / "failure").read_text()

    def model(self) -> dict[str, bytes]:
        """The model's files."""
        return {file.name: file.read_bytes() for file in (self.root / "model").iterdir()}


def prepare(
    root: Path,
    columns: Mapping[str, pa.Array],
    parameters: Mapping[str, str],
    group_rows: int = 500,
) -> Path:
    """What a job finds below its root."""
    config = root / "input" / "config"
    (root / "input" / "data" / "train").mkdir(parents=True)
    config.mkdir()
    table = pa.table(dict(columns)).replace_schema_metadata(
        {b"feature_schema_version": SCHEMA_VERSION}
    )
    pq.write_table(
        table, root / "input" / "data" / "train" / "part-0.parquet", row_group_size=group_rows
    )
    (config / "hyperparameters.json").write_text(json.dumps(dict(parameters)))
    return root


def name_hosts(root: Path, hosts: Sequence[str], current: str) -> None:
    """Says which hosts there are."""
    text = json.dumps({"hosts": list(hosts), "current_host": current})
    (root / "input" / "config" / "resourceconfig.json").write_text(text)


def start(root: Path, **variables: str) -> JobProcess:
    """Starts the entry point."""
    with (root / "log").open("w") as log, (root / "errors").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline_code", "train"],
            cwd=PROJECT,
            env={**os.environ, "SAGEMAKER_BASE_DIR": str(root), **variables},
            stdout=log,
            stderr=errors,
            text=True,
        )
    return JobProcess(root, process)
