"""The start of the processes of Lambda's functions."""

import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ministack.core import lambda_runtime

_starting = threading.local()


@dataclass(frozen=True, slots=True)
class WorkerStart:
    """The command line, working directory and environment of a worker."""

    command: Sequence[str]
    folder: str
    environment: dict[str, str]


Prepare = Callable[[Mapping[str, Any], WorkerStart], WorkerStart]


def start_workers_by(prepare: Prepare) -> None:
    """Have workers started as told; once per process.

    Args:
        prepare: From a function's configuration, and how ministack would start it, to how.
    """
    inner = lambda_runtime.Worker._spawn

    def spawn(worker: Any) -> None:
        _starting.config = worker.config
        try:
            inner(worker)
        finally:
            _starting.config = None

    lambda_runtime.Worker._spawn = spawn
    lambda_runtime.subprocess = _Processes(prepare)


class _Processes:
    """The module `subprocess`, as ministack's workers see it."""

    def __init__(self, prepare: Prepare) -> None:
        self._prepare = prepare

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)

    def Popen(  # noqa: N802 - its name
        self, command: Sequence[str], *, cwd: str, env: dict[str, str], **settings: Any
    ) -> Any:
        start, config = WorkerStart(command, cwd, env), getattr(_starting, "config", None)
        if config is not None:
            start = self._prepare(config, start)
        return subprocess.Popen(
            list(start.command), cwd=start.folder, env=start.environment, **settings
        )
