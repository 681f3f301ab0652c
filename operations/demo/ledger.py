"""The demo's ledger: every stage with its evidence and its seconds, and the memory it took."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil

from operations import progress

_SAMPLE_SECONDS = 0.25
# What is shared, the system counts page by page, which takes as long as a job's work does.
_COUNT_SECONDS = 5.0
_LEAP = 1.1


@dataclass
class Stage:
    """One stage; whoever carries it out fills in the evidence."""

    name: str
    ok: bool = False
    seconds: float = 0.0
    evidence: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ok": self.ok,
            "seconds": round(self.seconds, 2),
            "evidence": self.evidence,
        }


@dataclass
class Ledger:
    """The stages so far, in order."""

    stages: list[Stage] = field(default_factory=list)
    failed_requests: int = 0
    model_versions: list[str] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """Time a stage; it is ok unless its body raises."""
        entry, begun = Stage(name), time.monotonic()
        self.stages.append(entry)
        try:
            with progress.activity(name):
                yield entry
            entry.ok = True
        except BaseException as error:
            entry.evidence = f"{type(error).__name__}: {error}"
            raise
        finally:
            entry.seconds = time.monotonic() - begun

    def as_dict(self, *, seconds: float, peak_mib: float) -> dict[str, Any]:
        return {
            "stages": [stage.as_dict() for stage in self.stages],
            "failed_requests": self.failed_requests,
            "model_versions": self.model_versions,
            "seconds": round(seconds, 2),
            "peak_mib": round(peak_mib, 1),
        }


class PeakMemory:
    """Samples the memory of this process and all that it started, together.

    A page that several of them share, such as those of libraries, counts once, where the system
    says so (Linux: proportional set sizes); else as often as they have it. That is asked for when
    it could be the most so far, and then every five seconds, or when a tenth more has come.

    A server that detached itself from this process is named by its pid.
    """

    def __init__(self) -> None:
        self.mib = 0.0
        self._roots = {os.getpid()}
        self._resident = self._counted = 0.0  # by the last sample: MiB, and when that was
        self._over = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True, name="peak-memory")

    def __enter__(self) -> "PeakMemory":
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._sampler.join()

    def include(self, pid: int) -> None:
        """Count another process and its children too."""
        self._roots = self._roots | {pid}

    def settle(self) -> None:
        """Take a sample now."""
        processes = self._processes()
        self._resident, self._counted = _mib(_resident, processes), time.monotonic()
        self.mib = max(self.mib, _mib(_memory, processes))

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            resident = _mib(_resident, self._processes())  # shared pages included, more than once
            rested = time.monotonic() - self._counted > _COUNT_SECONDS
            if resident > self.mib and (rested or resident > _LEAP * self._resident):
                self.settle()

    def _processes(self) -> set[psutil.Process]:
        # A server may be both a root of its own and a child of this process: counted once.
        return {process for pid in self._roots for process in _family(pid)}


def _mib(memory: Callable[[psutil.Process], int], processes: Iterable[psutil.Process]) -> float:
    return sum(map(memory, processes)) / 2**20


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _memory(process: psutil.Process) -> int:
    try:
        found = process.memory_full_info()
        return int(getattr(found, "pss", found.rss))
    except psutil.Error:  # it ended, or is another user's
        return 0
