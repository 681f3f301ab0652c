"""The hosts of a job as one Spark cluster.

SageMaker starts the same container on every host and tells each all hosts' names. The first one
leads: it runs Spark's master, the driver and a worker. The others follow: each runs a worker until
the leader says how it ended, and then publishes the parts that its tasks wrote, or forgets them.

    follower -> leader   connects
    leader -> follower   {"master": the master's URL}, then {"publish": true} or {"discard": why}
    follower -> leader   {"published": the names of its parts, output by output}

Guarantees:
    A job succeeds only if every part that a task wrote is published, on whichever host it is.
    No host waits for ever: whoever loses the other fails, and says so.
"""

import json
import os
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from pipeline_code.common.paths import ml_root
from pipeline_code.common.peers import Peer, address_of
from pipeline_code.features.parts import Output
from pipeline_code.features.spark.session import Daemon, open_session, prepare

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["Hosts", "Leader", "follow"]

MASTER_PORT, LEADER_PORT = 7077, 7078
# Each host downloads its inputs first; some take longer.
ARRIVAL_SECONDS = 900
POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Hosts:
    """The job's hosts, and which of them this is."""

    current: str
    names: tuple[str, ...]

    @classmethod
    def read(cls) -> Self:
        """What SageMaker says; this host alone if it says nothing."""
        file = ml_root() / "config" / "resourceconfig.json"
        if not file.exists():
            return cls("localhost", ("localhost",))
        said = json.loads(file.read_text())
        return cls(said["current_host"], tuple(said["hosts"]))

    @property
    def leader(self) -> str:
        """The host that all others follow."""
        return min(self.names)

    @property
    def followers(self) -> int:
        """How many others there are."""
        return len(self.names) - 1


class Leader:
    """The cluster, as the leader has it.

    with Leader(hosts, work) as leader:
        leader.publish(outputs, parts)  # of what leader.session did

    Leaving without having published tells the followers to forget what their tasks wrote.
    """

    def __init__(self, hosts: Hosts, work: Path) -> None:
        self._hosts = hosts
        self._work = work
        self._address = address_of(hosts.leader, ARRIVAL_SECONDS)
        self._followers: list[Peer] = []
        self._published = False

    def __enter__(self) -> Self:
        prepare(self._work, self._address)
        with ExitStack() as stack:
            master = _master(self._address)
            stack.callback(master.stop)
            worker = _worker(self._address, self._master_url)
            stack.callback(worker.stop)
            cores = (os.cpu_count() or 1) + self._gather(stack)
            self.session: SparkSession = open_session(
                self._master_url,
                self._address,
                {
                    "spark.cores.max": cores,
                    # The first worker would have done much before the last one is there.
                    "spark.scheduler.minRegisteredResourcesRatio": 1.0,
                    "spark.scheduler.maxRegisteredResourcesWaitingTime": "120s",
                },
            )
            stack.callback(self.session.stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._stack:
            if not self._published:
                for follower in self._followers:
                    # One that is gone has nothing left to forget.
                    with suppress(RuntimeError):
                        follower.send({"discard": str(error)})

    def publish(self, outputs: Sequence[Output], parts: Sequence[frozenset[str]]) -> None:
        """Has every host publish the parts that it holds.

        Args:
            outputs: The outputs, with their folders on this host.
            parts: The names of all parts of each.

        Raises:
            RuntimeError: A host was lost, or a part with it.
        """
        # Whatever happens next, some may have published.
        self._published = True
        for follower in self._followers:
            follower.send({"publish": True})
        found = {self._hosts.leader: _publish(outputs)}
        for follower in self._followers:
            found[follower.name] = follower.receive()["published"]
        print(json.dumps({"parts": {host: sum(map(len, names)) for host, names in found.items()}}))
        for index, wanted in enumerate(parts):
            lost = wanted - {name for names in found.values() for name in names[index]}
            if lost:
                raise RuntimeError(
                    f"every part of {outputs[index].folder.name} must be on a host, got none for "
                    f"{', '.join(sorted(lost)[:5])}; run the job again"
                )

    @property
    def _master_url(self) -> str:
        return f"spark://{self._address}:{MASTER_PORT}"

    def _gather(self, stack: ExitStack) -> int:
        """Waits for all followers; returns how many cores they have."""
        server = stack.enter_context(socket.create_server((self._address, LEADER_PORT)))
        deadline, cores = time.monotonic() + ARRIVAL_SECONDS, 0
        while len(self._followers) < self._hosts.followers:
            server.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                connection, _ = server.accept()
            except TimeoutError as error:
                came = ", ".join(follower.name for follower in self._followers) or "none"
                raise RuntimeError(
                    f"all of {', '.join(self._hosts.names)} must come within {ARRIVAL_SECONDS} "
                    f"seconds, got {came} besides the leader; see the logs of the others"
                ) from error
            peer = Peer(stack.enter_context(connection), "a host")
            said = peer.receive()
            peer.name = said["host"]
            cores += said["cores"]
            peer.send({"master": self._master_url})
            self._followers.append(peer)
        return cores


def follow(hosts: Hosts, outputs: Sequence[Output], work: Path) -> None:
    """Works for the leader until it says how it ended.

    Raises:
        RuntimeError: The leader failed or was lost; nothing is published then.
    """
    address = address_of(hosts.current, ARRIVAL_SECONDS)
    with ExitStack() as stack:
        connection = stack.enter_context(_connected(hosts.leader))
        leader = Peer(connection, hosts.leader)
        leader.send({"host": hosts.current, "cores": os.cpu_count() or 1})
        prepare(work, address)
        worker = _worker(address, leader.receive()["master"])
        stack.callback(worker.stop)
        while not leader.has_said_something(POLL_SECONDS):
            worker.check()
        said = leader.receive()
        if "discard" in said:
            for output in outputs:
                output.clear()
            raise RuntimeError(f"{hosts.leader} must succeed, got: {said['discard']}")
        leader.send({"published": _publish(outputs)})


def _publish(outputs: Sequence[Output]) -> list[list[str]]:
    names = [output.staged() for output in outputs]
    for output in outputs:
        output.publish()
    return names


def _master(address: str) -> Daemon:
    where = ("--host", address, "--port", str(MASTER_PORT), "--webui-port", "0")
    return Daemon("deploy.master.Master", *where)


def _worker(address: str, master: str) -> Daemon:
    return Daemon("deploy.worker.Worker", "--host", address, "--webui-port", "0", master)


def _connected(leader: str) -> socket.socket:
    """A connection to the leader, once it listens."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while True:
        try:
            return socket.create_connection((address_of(leader, ARRIVAL_SECONDS), LEADER_PORT))
        except OSError as error:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{leader} must lead, got no answer: {error}") from error
            time.sleep(POLL_SECONDS)
