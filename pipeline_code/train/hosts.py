"""The hosts of a training job, which learn one model together over XGBoost's collective.

SageMaker starts the same container on every host and tells each the names of all. The first one
leads: it runs the tracker through which the others find each other, keeps the checkpoints and
writes the model.

Guarantees:
    All hosts decide alike: what a decision needs is made of all hosts' numbers.
    No host waits for ever: one that loses another fails, and says so.
"""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline_code.common.exits import BadInput
from pipeline_code.common.paths import ml_root

__all__ = ["ALONE", "Hosts", "Team", "join"]

TRACKER_PORT = 9099
# Each host downloads its inputs first; some take longer.
ARRIVAL_SECONDS = 900
# A host may have to wait while another reads a share that is larger; one that is lost is noticed
# at once in most cases, because its connections close.
ANSWER_SECONDS = 900
POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Hosts:
    """The job's hosts, and which of them this is."""

    current: str
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.current not in self.names:
            raise BadInput(
                f"the current host must be among {', '.join(self.names)}, got {self.current}"
            )

    @classmethod
    def read(cls) -> Self:
        """What SageMaker says; this host alone if it says nothing."""
        file = ml_root() / "input" / "config" / "resourceconfig.json"
        if file.is_file():
            said = json.loads(file.read_text(encoding="utf-8"))
            return cls(said["current_host"], tuple(sorted(said["hosts"])))
        if "SM_HOSTS" in os.environ:
            names = tuple(sorted(json.loads(os.environ["SM_HOSTS"])))
            return cls(os.environ.get("SM_CURRENT_HOST", names[0]), names)
        return cls("localhost", ("localhost",))

    @property
    def rank(self) -> int:
        """This host's number; 0 leads."""
        return self.names.index(self.current)


class Team:
    """What the hosts of a job tell each other; with one host, that host's own answers."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts

    @property
    def size(self) -> int:
        """How many hosts there are."""
        return len(self.hosts.names)

    @property
    def leads(self) -> bool:
        """Whether this host does what is to be done once."""
        return self.hosts.rank == 0

    def total(self, numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The sums over all hosts."""
        return self._reduced(numbers, "SUM")

    def lowest(self, numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The lowest numbers of all hosts."""
        return self._reduced(numbers, "MIN")

    def highest(self, numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The highest numbers of all hosts."""
        return self._reduced(numbers, "MAX")

    def any(self, truth: bool) -> bool:
        """Whether it is true on any host."""
        return bool(self.highest(np.array([int(truth)]))[0])

    def together(self, numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """All hosts' arrays, one after the other in the order of hosts."""
        if self.size == 1:
            return numbers
        lengths = np.zeros(self.size, dtype=np.int64)
        lengths[self.hosts.rank] = len(numbers)
        lengths = self.total(lengths)
        whole = np.zeros(int(lengths.sum()), dtype=numbers.dtype)
        start = int(lengths[: self.hosts.rank].sum())
        whole[start : start + len(numbers)] = numbers
        # The other hosts' zeros change nothing: the sum is exact.
        return self.total(whole)

    def texts(self, text: str) -> list[str]:
        """Every host's text."""
        if self.size == 1:
            return [text]
        raw = np.frombuffer(text.encode() + b"\n", dtype=np.uint8)
        return self.together(raw).tobytes().decode().split("\n")[:-1]

    def leaders(self, content: bytes | None) -> bytes | None:
        """What the first host has; the others' is not asked for."""
        if self.size == 1:
            return content
        own = content if self.leads and content is not None else b""
        shared = self.together(np.frombuffer(own, dtype=np.uint8)).tobytes()
        return shared or None

    @contextmanager
    def all_or_none(self) -> Iterator[None]:
        """What one host refuses, all refuse, for its reason."""
        reason = ""
        try:
            yield
        except BadInput as error:
            if self.size == 1:
                raise
            reason = str(error).replace("\n", " ")
        for name, said in zip(self.hosts.names, self.texts(reason), strict=True):
            if said:
                raise BadInput(f"{said} (on {name})")

    def _reduced(self, numbers: npt.NDArray[Any], operation: str) -> npt.NDArray[Any]:
        if self.size == 1:
            return numbers
        from xgboost import collective  # noqa: PLC0415 - one host needs none of it

        reduced: npt.NDArray[Any] = collective.allreduce(
            np.ascontiguousarray(numbers), collective.Op[operation]
        )
        return reduced.reshape(numbers.shape)


ALONE = Team(Hosts("localhost", ("localhost",)))


@contextmanager
def join(hosts: Hosts) -> Iterator[Team]:
    """Connects the hosts of a job for as long as the block takes.

    Raises:
        RuntimeError: A host did not come, or was lost.
    """
    if len(hosts.names) == 1:
        yield Team(hosts)
        return
    from xgboost import collective  # noqa: PLC0415 - one host needs none of it
    from xgboost.core import XGBoostError  # noqa: PLC0415

    with _tracker(hosts):
        try:
            with collective.CommunicatorContext(
                dmlc_communicator="rabit",
                dmlc_tracker_uri=_address(hosts.names[0]),
                dmlc_tracker_port=TRACKER_PORT,
                dmlc_task_id=f"{hosts.rank:06}",
                dmlc_timeout=ANSWER_SECONDS,
            ):
                yield Team(hosts)
        except XGBoostError as error:
            raise RuntimeError(str(error)) from error


@contextmanager
def _tracker(hosts: Hosts) -> Iterator[None]:
    if hosts.rank:
        yield
        return
    from xgboost.tracker import RabitTracker  # noqa: PLC0415

    tracker = RabitTracker(
        n_workers=len(hosts.names),
        host_ip=_address(hosts.current),
        port=TRACKER_PORT,
        # Ranks follow from names, and with them the order in which numbers are added up.
        sortby="task",
        timeout=ARRIVAL_SECONDS,
    )
    tracker.start()
    yield
    tracker.wait_for(timeout=ANSWER_SECONDS)


def _address(name: str) -> str:
    """A host's address, once its name is known: hosts are named while they start."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while True:
        try:
            return socket.gethostbyname(name)
        except socket.gaierror as error:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name} must have an address, got none: {error}") from error
            time.sleep(POLL_SECONDS)
