"""Starting, saving and stopping ministack."""

import asyncio
import json
import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from ministack import app as ms
from ministack.core import persistence

from local_aws.adapter.identity import credentials
from local_aws.adapter.identity.identity import note_transport
from local_aws.adapter.state import durability
from local_aws.adapter.state.lending import lent

logger = logging.getLogger("fraudloop")

# Health, and where custom resources and wait conditions send their answers.
_OPEN_PATHS = (
    "/_ministack/health",
    "/_ministack/ready",
    "/_ministack/cfn-response/",
    "/_ministack/cfn-signal/",
)
# Doors of ministack's own, beside AWS's APIs.
_CLOSED_PATHS = "/_"  # no bucket's name begins so
_BUSY_RATIO = 20.0

_saved: dict[str, int] = {}
_start_functions: list[Callable[[], None]] = []
_stop_requested_functions: list[Callable[[], None]] = []
_shutdown_functions: list[Callable[[], None]] = []
_periodic_functions: list[tuple[float, Callable[[], None]]] = []


def on_start(function: Callable[[], None]) -> None:
    """Have a function called once all state is loaded and the server listens."""
    _start_functions.append(function)


def on_stop_requested(function: Callable[[], None]) -> None:
    """Have a function called in a thread at an orderly stop while the server still answers."""
    _stop_requested_functions.append(function)


def on_shutdown(function: Callable[[], None]) -> None:
    """Have a function called once at an orderly stop, last registered first."""
    _shutdown_functions.append(function)


def every(seconds: float, function: Callable[[], None]) -> None:
    """Have a function called on the event loop again and again while the server runs."""
    _periodic_functions.append((seconds, function))


def save_state() -> None:
    """Write what has changed of the state of ministack's services; call it on the event loop only.

    ministack's own way writes all of it by an encoder in Python, while requests wait.
    """
    if not persistence.PERSIST_STATE:
        return
    for service, get_state in ms._build_persistence_save_dict().items():
        try:
            with lent():
                _save(service, get_state())
        except Exception:  # a thread changed it meanwhile: the next checkpoint has it
            logger.warning("the state of %s was not saved", service, exc_info=True)


def _save(service: str, state: Any) -> None:
    path = Path(persistence.STATE_DIR, f"{service}.json")
    if state is None or (not _holds_anything(state) and not path.exists()):
        return  # a service that is not saved is not loaded at the next start, which takes time
    version = persistence._state_format_version(service)
    document = {"__ministack_format__": version, "payload": state}
    text = json.dumps(document, default=persistence._json_default)
    if _saved.get(service) != hash(text):
        temporary = path.with_suffix(".checkpoint")
        try:
            temporary.write_text(text)
        except OSError:
            temporary.unlink(missing_ok=True)  # the disk is full: the last state stays whole
            raise
        temporary.replace(path)
        _saved[service] = hash(text)


def _holds_anything(state: Any) -> bool:
    """Whether a service has any resource, in whatever account and region."""
    values = state.values() if isinstance(state, dict) else [state]
    return any(bool(getattr(value, "_data", value)) for value in values)


def serve(host: str, port: int, *, checkpoint_seconds: float) -> None:
    """Serve until SIGTERM or SIGINT, then save all state and end the process.

    Args:
        host: The address to listen on.
        port: The port to listen on.
        checkpoint_seconds: How often state is saved meanwhile; ministack itself saves only when
            it is stopped in an orderly way.
    """
    asyncio.run(_serve(host, port, checkpoint_seconds))


async def _serve(host: str, port: int, checkpoint_seconds: float) -> None:
    # It logs each of its 50 files at each checkpoint.
    logging.getLogger("persistence").setLevel(logging.WARNING)
    ms.save_all = lambda _services: save_state()
    durability.keep_promises(_save)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    config = Config()
    config.bind = [f"{host}:{port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    every(checkpoint_seconds, save_state)
    tasks = [loop.create_task(_repeat(*periodic)) for periodic in _periodic_functions]

    async def stop_requested() -> None:
        await stopping.wait()
        for function in _stop_requested_functions:
            await asyncio.to_thread(_attempt, function)

    await hypercorn_serve(_guarded, config, shutdown_trigger=stop_requested)
    for task in tasks:
        task.cancel()
    for function in reversed(_shutdown_functions):
        _attempt(function)
    logging.shutdown()
    # A Lambda or custom resource that still runs would hold the interpreter until its timeout.
    os._exit(0)


def _attempt(function: Callable[[], None]) -> None:
    try:
        function()
    except Exception:
        logger.exception("a function of the server's start or stop failed")


async def _guarded(scope: Any, receive: Any, send: Any) -> None:
    """ministack less its own endpoints, which reset it and read queues for whoever asks."""
    if scope["type"] == "lifespan":
        await ms.app(scope, receive, _starting(send))
        return
    path = scope.get("path", "")
    if scope["type"] != "http":  # a WebSocket's door to API Gateway, AppSync and IoT
        await send({"type": "websocket.close", "code": 1008})
        return
    if path == credentials.PATH:
        await credentials.answer(scope, send)
        return
    if path.startswith(_CLOSED_PATHS) and not path.startswith(_OPEN_PATHS):
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    note_transport(dict(scope.get("headers", ())))
    await ms.app(scope, receive, send)


def _starting(send: Any) -> Any:
    """Call what is to be called at the start: ministack has loaded its state by then."""

    async def announce(message: Any) -> None:
        if message["type"] == "lifespan.startup.complete":
            for function in _start_functions:
                await asyncio.to_thread(_attempt, function)
        await send(message)

    return announce


async def _repeat(seconds: float, function: Callable[[], None]) -> None:
    wait = seconds
    while True:
        await asyncio.sleep(wait)
        started = time.monotonic()
        try:
            function()
        except Exception:
            logger.exception("a periodic function failed")
        # Requests wait meanwhile, so what has grown slow is done less often.
        wait = max(seconds, _BUSY_RATIO * (time.monotonic() - started))
