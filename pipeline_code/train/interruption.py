"""SIGTERM, which SageMaker sends two minutes before it takes a host away, or stops a job."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from pipeline_code.train.batches import Batch, Batches

__all__ = [
    "EXIT_CODE",
    "InterruptibleBatches",
    "Interruption",
    "TrainingInterruptedError",
    "noticed",
]

# What a shell reports of a process that SIGTERM ended.
EXIT_CODE = 128 + signal.SIGTERM


class TrainingInterruptedError(Exception):
    """The job ends before its model is done, because it was asked to."""


@dataclass(slots=True)
class Interruption:
    """Whether the job has been asked to end."""

    requested: bool = False


@contextmanager
def noticed() -> Iterator[Interruption]:
    """Notes a SIGTERM instead of dying of it, so that the round under way can be kept."""
    interruption = Interruption()

    def note(_number: int, _frame: FrameType | None) -> None:
        interruption.requested = True

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGTERM, before)


@dataclass(frozen=True, slots=True)
class InterruptibleBatches:
    """Batches that end with Interrupted where the job is asked to end between two of them."""

    batches: Batches
    interruption: Interruption

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.batches:
            if self.interruption.requested:
                raise TrainingInterruptedError("while rows were read")
            yield batch
