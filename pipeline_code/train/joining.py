"""The joining of a training job's hosts into XGBoost's collective.

SageMaker starts the same container on every host and tells each the names of all. The first one
leads: it waits for the others, runs the tracker that the collective needs, and tells them its port.

    follower -> leader   {"job": the job's name, "host": its own name}
    leader -> follower   {"port": the tracker's}
    either -> other      {"done": true}, when it has nothing more to do

Guarantees:
    No host waits for ever: one that loses another fails, and says so. The connections stay open to
    see to that, because XGBoost itself can wait for a host that died, whatever its timeout.
"""

import errno
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from pipeline_code.common.peers import Peer, address_of
from pipeline_code.train.hosts import Hosts, Team
from pipeline_code.train.watching import watched

__all__ = ["join"]

LEADER_PORT = 9099
# Each host downloads its inputs first; some take longer.
ARRIVAL_SECONDS = 900
# A host may have to wait while another reads a share that is larger. One that dies is noticed at
# once, because its connections close.
ANSWER_SECONDS = 900
POLL_SECONDS = 0.5
# The parts of XGBoost that speak with other hosts; what any other part says is of this host.
LOSS = re.compile(
    r"\[(allgather|allreduce|broadcast|coll|comm|loop|protocol|socket|tracker)\.(cc|h):"
)


@contextmanager
def join(hosts: Hosts) -> Iterator[Team]:
    """Connects the hosts of a job for as long as the block takes.

    Raises:
        RuntimeError: A host did not come, or was lost.
    """
    if len(hosts.names) == 1:
        yield Team(hosts)
        return
    with ExitStack() as stack:
        if hosts.rank == 0:
            peers = _gather(hosts, stack)
            port = stack.enter_context(_tracker(hosts))
            for peer in peers:
                peer.send({"port": port})
        else:
            leader, port = _ask(hosts, stack)
            peers = [leader]
        with watched(peers, hosts.names), _collective(hosts, port):
            yield Team(hosts)


@contextmanager
def _collective(hosts: Hosts, port: int) -> Iterator[None]:
    # One host needs none of it, and a scoring server imports this package.
    from xgboost import collective  # noqa: PLC0415
    from xgboost.core import XGBoostError  # noqa: PLC0415

    try:
        collective.init(
            dmlc_communicator="rabit",
            dmlc_tracker_uri=address_of(hosts.names[0], ARRIVAL_SECONDS),
            dmlc_tracker_port=port,
            dmlc_task_id=f"{hosts.rank:06}",
            dmlc_timeout=ANSWER_SECONDS,
        )
        yield
        collective.finalize()
    except BaseException as error:
        with suppress(XGBoostError):
            # Closes the connections, so that the others need not wait for a response.
            collective.finalize()
        if isinstance(error, XGBoostError) and LOSS.search(str(error)):
            raise RuntimeError(
                f"all of {', '.join(hosts.names)} must stay until the end, got one lost: "
                f"{_told(error)}; its log says why"
            ) from error
        raise


@contextmanager
def _tracker(hosts: Hosts) -> Iterator[int]:
    """Runs the tracker; gives its port."""
    from xgboost.core import XGBoostError  # noqa: PLC0415
    from xgboost.tracker import RabitTracker  # noqa: PLC0415

    tracker = RabitTracker(
        n_workers=len(hosts.names),
        host_ip=address_of(hosts.current, ARRIVAL_SECONDS),
        # Ranks follow from names, and with them the order in which numbers are added up.
        sortby="task",
        timeout=ARRIVAL_SECONDS,
    )
    tracker.start()
    port = int(tracker.worker_args()["dmlc_tracker_port"])
    try:
        yield port
        # Followers take their leave of the tracker too, and may be slower than the leader.
        with suppress(XGBoostError):
            tracker.wait_for(timeout=ANSWER_SECONDS)
    finally:
        # Of a collective that broke it complains, after the reason is known.
        with suppress(XGBoostError):
            tracker.free()


def _gather(hosts: Hosts, stack: ExitStack) -> list[Peer]:
    """Waits for all followers."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    came: dict[str, Peer] = {}
    with _listening(address_of(hosts.current, ARRIVAL_SECONDS), deadline) as server:
        while len(came) < len(hosts.names) - 1:
            server.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                connection, _ = server.accept()
            except TimeoutError as error:
                raise RuntimeError(
                    f"all of {', '.join(hosts.names)} must come within {ARRIVAL_SECONDS} seconds, "
                    f"got {', '.join((hosts.current, *came))}; see the logs of the others"
                ) from error
            peer = Peer(stack.enter_context(_kept_alive(connection)), "a host")
            said = _hello(peer)
            if said == _introduction(said.get("host", "")) and said["host"] in hosts.names:
                peer.name = said["host"]
                came[peer.name] = peer
            else:
                # Somebody of another job, which runs on this machine too, will look again later. A
                # close alone does not reach the other end while the peer holds the connection.
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
    return list(came.values())


def _hello(peer: Peer) -> dict[str, Any]:
    with suppress(RuntimeError, ValueError):
        if peer.has_said_something(POLL_SECONDS):
            return peer.receive()
    return {}


def _ask(hosts: Hosts, stack: ExitStack) -> tuple[Peer, int]:
    """The leader and the tracker's port, once the leader tells it."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    leader = hosts.names[0]
    while True:
        try:
            with ExitStack() as attempt:
                address = address_of(leader, ARRIVAL_SECONDS)
                connection = socket.create_connection((address, LEADER_PORT))
                peer = Peer(attempt.enter_context(_kept_alive(connection)), leader)
                peer.send(_introduction(hosts.current))
                if not peer.has_said_something(max(deadline - time.monotonic(), 0.001)):
                    raise TimeoutError("it said nothing")
                port = int(peer.receive()["port"])
                stack.push(attempt.pop_all())
                return peer, port
        except (OSError, RuntimeError) as error:
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"{leader} must lead within {ARRIVAL_SECONDS} seconds, got no answer: {error}; "
                    "its log says why"
                ) from error
            time.sleep(POLL_SECONDS)


def _kept_alive(connection: socket.socket) -> socket.socket:
    """A connection that ends within some two minutes if the other host's network is gone."""
    for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return connection


def _introduction(host: str) -> dict[str, str]:
    return {"job": os.environ.get("TRAINING_JOB_NAME", ""), "host": host}


def _listening(address: str, deadline: float) -> socket.socket:
    while True:
        try:
            return socket.create_server((address, LEADER_PORT))
        except OSError as error:
            # Another job on this machine gathers its hosts.
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise RuntimeError(
                    f"port {LEADER_PORT} of {address} must be free, got: {error}"
                ) from error
            time.sleep(POLL_SECONDS)


def _told(error: Exception) -> str:
    """What XGBoost says without its stack: the lines of its own list."""
    lines = [line[2:] for line in str(error).splitlines() if line.startswith("- ")]
    return "; ".join(lines) or str(error).splitlines()[0]
