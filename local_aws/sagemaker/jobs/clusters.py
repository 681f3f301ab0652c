"""The hosts of a job: their names, their folders and their containers, which end together."""

import itertools
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from local_aws.containers import built_images
from local_aws.sagemaker import containers
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import validation
from local_aws.sagemaker.jobs.plan import Host, Plan
from local_aws.sagemaker.logs import LogStream

_MOST_HOSTS = 16
_POLL_SECONDS = 0.05
# A host that fails takes its peers with it; all of them are heard before one is blamed.
_SETTLE_SECONDS = 0.5
# Peers of a host that failed may finish the file that they are writing.
_PEER_GRACE_SECONDS = 5.0
_ENDED_FROM_OUTSIDE = (128 + signal.SIGTERM, 128 + signal.SIGKILL)
# Of two embedded AWSs on one machine, each has networks of its own.
_networks = itertools.count(os.getpid() * 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterExit:
    """How the containers of a job ended.

    Args:
        code: The exit code of the host that decides, as a shell gives it; 0 if all succeeded.
        host: That host.
        tail: Its last lines.
    """

    code: int
    host: Host
    tail: Sequence[str]

    @property
    def from_outside(self) -> bool:
        """Whether somebody else ended the container, as a spot interruption does."""
        return self.code in _ENDED_FROM_OUTSIDE


def host_names(count: int | None, field: str) -> list[str]:
    """Names for a job's hosts at which they can reach each other.

    A single host is `algo-1`, as on AWS. Several are addresses of the loopback interface, all of
    which are this machine: a network for each job, so that jobs side by side may use one port.

    Raises:
        ServiceError: If there are too many.
    """
    if count is None or count <= 1:
        return ["algo-1"]
    if count > _MOST_HOSTS:
        raise validation(
            f"{field} must be at most {_MOST_HOSTS}, got {count}; the local SageMaker runs a "
            "process for each"
        )
    # Not 127.0.0, where all else of this machine is.
    upper, lower = divmod(2**8 + next(_networks) % (2**16 - 2**9), 2**8)
    return [f"127.{upper}.{lower}.{number}" for number in range(1, count + 1)]


def roots(root: Path, count: int) -> Iterator[tuple[str, Path]]:
    """The label and root of each host; a single host has the job's root for its own."""
    for label in (f"algo-{number}" for number in range(1, count + 1)):
        yield label, root if count == 1 else root / label


class Cluster:
    """The running containers of a job.

    with Cluster(context, plan) as cluster:
        end = cluster.wait(5.0)
    """

    def __init__(self, context: Context, plan: Plan) -> None:
        self._context = context
        self._plan = plan
        self._members: list[tuple[Host, containers.Container, LogStream]] = []

    def __enter__(self) -> "Cluster":
        with ExitStack() as stack:
            self._stack = stack
            for host in self._plan.hosts:
                self._start(host)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def wait(self, seconds: float) -> ClusterExit | None:
        """Wait until all have succeeded or one has failed; None if neither comes in time.

        One that fails ends the others.
        """
        deadline = time.monotonic() + seconds
        while True:
            codes = [container.exit_code for _, container, _ in self._members]
            if all(code == 0 for code in codes):
                return self._end(0)
            if any(codes):
                self._settle()
                return self._end(self._culprit())
            if time.monotonic() >= deadline:
                return None
            time.sleep(_POLL_SECONDS)

    def stop(self, grace_seconds: float) -> None:
        """Ask all to end, and end those that do not."""
        for _, container, _ in self._members:
            container.ask_to_stop()
        deadline = time.monotonic() + grace_seconds
        for _, container, _ in self._members:
            container.stop(max(0.0, deadline - time.monotonic()))

    def _start(self, host: Host) -> None:
        plan = self._plan
        program = built_images.program(plan.image)
        variables = containers.environment(
            self._context,
            host.root,
            role_arn=plan.role_arn,
            session_name="SageMaker",
            variables=plan.variables,
            program=program,
            isolated=plan.isolated,
        )
        stream = f"{plan.name}/{host.label}-{int(time.time())}"
        log = LogStream(self._context, plan.role_arn, plan.log_group, stream, plan.on_line)
        self._stack.enter_context(log)
        container = containers.Container(
            plan.arguments,
            containers.Disk(root=host.root, program=program),
            variables,
            log,
            # Peers talk to each other even so (CreateTrainingJob, EnableNetworkIsolation), which
            # they do over this machine's loopback.
            isolated=plan.isolated and len(plan.hosts) == 1,
        )
        self._stack.callback(container.stop, 0.0)
        self._members.append((host, container, log))

    def _settle(self) -> None:
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline:
            if all(container.exit_code is not None for _, container, _ in self._members):
                return
            time.sleep(_POLL_SECONDS)

    def _culprit(self) -> int:
        """The host that others failed because of: ended from outside, or the first to say why."""

        def order(index: int) -> tuple[bool, float]:
            host, container, _ = self._members[index]
            outside = (container.exit_code or 0) in _ENDED_FROM_OUTSIDE
            return not outside, _written(host.root / self._plan.message)

        return min((i for i, m in enumerate(self._members) if m[1].exit_code), key=order)

    def _end(self, index: int) -> ClusterExit:
        host, container, log = self._members[index]
        code = container.wait() or 0  # it has ended: this waits for the last of its output
        self.stop(_PEER_GRACE_SECONDS)
        return ClusterExit(code=code, host=host, tail=log.tail())


def _written(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return float("inf")
