"""The hosts of a training job, and what they tell each other while they learn one model.

Guarantees:
    All hosts decide alike: what a decision needs is made of all hosts' numbers.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline_code.common.exits import BadInput
from pipeline_code.common.paths import ml_root

__all__ = ["ALONE", "Hosts", "Team"]


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
