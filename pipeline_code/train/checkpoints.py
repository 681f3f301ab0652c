"""The checkpoint from which an interrupted training job goes on: one file, whole or not there.

SageMaker copies the folder to S3 and, when it starts the job again, back.
"""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from pipeline_code.train.calibration import Calibration

__all__ = ["Checkpoint", "Checkpoints", "Progress", "Selection", "fingerprint"]

FILE = "checkpoint"
# A copy that was under way when the host went; never read.
UNFINISHED = ".checkpoint.unfinished"
# Of the file's form; another is not read.
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the validation slice decided: how many rounds, what they mean, how good they were."""

    rounds: int
    calibration: Calibration
    validation: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is.

    Attributes:
        rounds: Rounds learned of the model under way.
        history: Log loss on the validation slice after each round of the selection.
        selection: What came of the selection; None while it is under way.
    """

    rounds: int = 0
    history: tuple[float, ...] = ()
    selection: Selection | None = None

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        """Reads what `asdict` made of one."""
        chosen = document["selection"]
        selection = None
        if chosen is not None:
            selection = Selection(**chosen | {"calibration": Calibration(**chosen["calibration"])})
        return cls(
            rounds=document["rounds"], history=tuple(document["history"]), selection=selection
        )


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a job is, and the file of the model under way; None before its first round."""

    progress: Progress = field(default_factory=Progress)
    model: bytes | None = None

    def dump(self, print_of: str) -> bytes:
        """One file: a hash of the rest, a line of JSON, and the model's file."""
        state = {"format": FORMAT, "fingerprint": print_of, "progress": asdict(self.progress)}
        line = json.dumps(state | {"has_model": self.model is not None}, sort_keys=True)
        rest = line.encode() + b"\n" + (self.model or b"")
        return hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest

    @classmethod
    def parse(cls, content: bytes, print_of: str) -> Self:
        """Reads a file.

        Raises:
            ValueError: It is damaged, or of another job.
        """
        digest, _, rest = content.partition(b"\n")
        if hashlib.sha256(rest).hexdigest().encode() != digest:
            raise ValueError("it is damaged")
        line, _, model = rest.partition(b"\n")
        state = json.loads(line)
        if state["format"] != FORMAT:
            raise ValueError(f"it is of format {state['format']}, not {FORMAT}")
        if state["fingerprint"] != print_of:
            raise ValueError("it is of other rows, parameters or code")
        return cls(Progress.parse(state["progress"]), model if state["has_model"] else None)


class Checkpoints:
    """The checkpoint of one job in a folder.

    checkpoints = Checkpoints(folder, fingerprint({...}), every_seconds=60)
    checkpoints.read()  # what a killed run has left, or None
    checkpoints.write(Checkpoint(progress, model))
    """

    def __init__(self, folder: Path, print_of: str, every_seconds: float) -> None:
        self._folder = folder
        self._print = print_of
        self._every = every_seconds
        self._written = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time for another one."""
        return time.monotonic() - self._written >= self._every

    def content(self) -> bytes | None:
        """The file as it is; None if there is none."""
        file = self._folder / FILE
        return file.read_bytes() if file.is_file() else None

    def parse(self, content: bytes) -> Checkpoint:
        """Reads a file's content; raises ValueError if this job cannot go on from it."""
        return Checkpoint.parse(content, self._print)

    def write(self, checkpoint: Checkpoint) -> None:
        """Puts a checkpoint into the place of the last one; whoever dies here leaves that one."""
        unfinished = self._folder / UNFINISHED
        with unfinished.open("wb") as file:
            file.write(checkpoint.dump(self._print))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._folder / FILE)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            # The new name is in the folder, which is written on its own.
            os.fsync(folder)
        finally:
            os.close(folder)
        self._written = time.monotonic()


def fingerprint(parts: Mapping[str, Any]) -> str:
    """One short text for all that a job's result follows from."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
