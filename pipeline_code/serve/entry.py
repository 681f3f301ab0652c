"""Entry point `serve`: the model server, as SageMaker runs it for endpoints and batch transform.

Reads:
    model/: the model that `train` wrote, unpacked from model.tar.gz.
    The online feature store, for raw transactions.

Environment: see `pipeline_code.serve.settings.ServerSettings`.

Answers:
    GET /ping: 200 once the model is loaded, if a self-test prediction succeeds.
    POST /invocations: raw transactions as JSON (one, or an array) or JSON Lines; feature rows as
        CSV, JSON, JSON Lines or Parquet. docs/serving.md tells all of it, docs/serving-openapi.json
        as a description in OpenAPI.
    4xx with {"error": reason} for what breaks a rule.

Writes metrics in CloudWatch's embedded format on standard output, logs on standard error.

SIGTERM lets the requests under way finish. A model that does not load ends the process with 1.
"""

import argparse
import functools
import logging.config
import os
import signal
from collections.abc import Sequence
from typing import Any

from granian import Granian
from granian.constants import Interfaces

from pipeline_code.serve.logs import CONFIGURATION
from pipeline_code.serve.settings import ServerSettings

LOGGER = logging.getLogger(__name__)
# SageMaker kills a container 30 seconds after SIGTERM.
DRAIN_SECONDS = 25


def main(argv: Sequence[str]) -> int:
    """Serves until SIGTERM or SIGINT."""
    argparse.ArgumentParser(prog="serve", description="serve the model").parse_args(argv)
    settings = ServerSettings.from_environment()
    logging.config.dictConfig(CONFIGURATION)
    LOGGER.info("starting", extra={"port": settings.port, "workers": settings.workers})
    server(settings).serve()
    LOGGER.info("stopped")
    return 0


def server(settings: ServerSettings) -> Any:
    """The server; each worker process builds its own application."""
    let_sigterm_end_new_workers()
    return Granian(
        "pipeline_code.serve.app:build",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.RSGI,
        workers=settings.workers,
        websockets=False,
        workers_kill_timeout=DRAIN_SECONDS,
        log_dictconfig=CONFIGURATION,
    )


def let_sigterm_end_new_workers() -> None:
    """Let a worker that is told to end while it still loads end at once.

    A worker begins as a copy of the server, whose handler of SIGTERM only takes a note; until it
    serves, and has a handler of its own, there is nothing to finish. The signal waits meanwhile, so
    that none comes between the copy and its change.
    """
    mask = functools.partial(signal.pthread_sigmask, mask={signal.SIGTERM})

    def in_worker() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        mask(signal.SIG_UNBLOCK)

    os.register_at_fork(
        before=lambda: mask(signal.SIG_BLOCK),
        after_in_parent=lambda: mask(signal.SIG_UNBLOCK),
        after_in_child=in_worker,
    )
