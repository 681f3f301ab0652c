"""Durability: responses wait for the disk, and a full disk refuses writes.

A checkpoint every few seconds would lose, when the server is killed, what had been acknowledged
since; and ministack only warns of what it cannot write.
"""

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ministack import app as ms
from ministack.core import persistence, router
from ministack.services import s3

from local_aws.adapter.operations import action_of
from local_aws.adapter.state.lending import lent

logger = logging.getLogger("fraudloop")
Answer = tuple[int, dict[str, str], Any]

# Free space that is kept for checkpoints, databases and logs: writes are refused before it is gone.
RESERVED = int(os.environ.get("FRAUDLOOP_RESERVED_BYTES", "8388608"))
# Words that operations begin with which change nothing that lasts.
_READS = (
    *("Assume", "BatchGet", "Check", "Decode", "Decrypt", "Describe", "Encrypt", "Estimate"),
    *("Generate", "Get", "Head", "Invoke", "List", "Lookup", "Preview", "Query", "Receive"),
    *("Scan", "Search", "Select", "Sign", "Simulate", "Test", "Validate", "Verify"),
)
# Words of those that make room.
_FREES = ("Abort", "Cancel", "Delete", "Deregister", "Purge", "Remove", "Stop", "Untag")
# Records, metrics, logs and events are kept elsewhere, or are gone with the server as documented;
# stacks and their resources change in the background, together, and are saved together.
_UNSAVED_SERVICES = ("cloudformation", "logs", "monitoring", "sagemaker", "athena")
_UNSAVED = frozenset(
    {"PutRecord", "PutRecords", "PutRecordBatch", "PutEvents", "Publish", "PublishBatch"}
    | {"PutObject", "DeleteObject", "DeleteMessage", "ChangeMessageVisibility"}
)
_FULL = (
    "The embedded AWS cannot write to its state folder: {}. Nothing was acknowledged; make room on "
    "its disk and repeat the request."
)
_ATTEMPTS = 3

# What could not be written while a request was served.
_trouble: ContextVar[list[OSError] | None] = ContextVar("trouble", default=None)
_savers: dict[str, "_Saver"] = {}


def keep_promises(save: Callable[[str, Any], None]) -> None:
    """Have writes answered once they are on disk, or refused; once per process.

    Args:
        save: Writes one service's state.
    """
    _notice_failures()
    inner = ms._dispatch_service_request

    async def dispatch(
        method: str, path: str, headers: Any, body: bytes, query_params: Any, request_id: str
    ) -> Answer:
        request = (method, path, headers, body, query_params)
        service, operation = _named(*request)
        if operation.startswith(_READS):
            return await inner(*request, request_id)  # type: ignore[no-any-return]
        if not operation.startswith(_FREES) and (lack := _lack(len(body))) is not None:
            return _refusal(service, headers, lack)
        trouble: list[OSError] = []
        token = _trouble.set(trouble)
        try:
            answer: Answer = await inner(*request, request_id)
        finally:
            _trouble.reset(token)
        try:
            if not trouble and answer[0] < 300 and _is_saved(service, operation):  # noqa: PLR2004
                await _saver(service, save).saved()
        except OSError as error:
            trouble.append(error)
        if trouble:
            logger.error("%s:%s could not be written: %s", service, operation, trouble[0])
            return _refusal(service, headers, str(trouble[0]))
        return answer

    ms._dispatch_service_request = dispatch


@contextmanager
def losing_nothing() -> Iterator[None]:
    """Raise what S3 could not write meanwhile.

    Raises:
        OSError: Such as that the disk is full.
    """
    trouble: list[OSError] = []
    token = _trouble.set(trouble)
    try:
        yield
    finally:
        _trouble.reset(token)
    if trouble:
        raise trouble[0]


def _notice_failures() -> None:
    """ministack's S3 swallows what goes wrong when it writes an object."""
    write = s3._atomic_write

    def atomic_write(fpath: str, data: Any, *, text: bool = False) -> None:
        try:
            write(fpath, data, text=text)
        except OSError as error:
            if (trouble := _trouble.get()) is not None:
                trouble.append(error)
            raise

    s3._atomic_write = atomic_write


def _named(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> tuple[str, str]:
    """The service and the operation; what is not known by name counts as a read if it is a GET."""
    routing = ms._routing_params(method, path, headers, body, query_params)
    service = router.detect_service(method, path, headers, routing)
    action = action_of(service, method, path, headers, body, routing)
    unnamed = "Get" if method in ("GET", "HEAD", "OPTIONS") else "Put"
    return service, (action or "").partition(":")[2] or unnamed


def _lack(size: int) -> str | None:
    """Why a request of this size may not be written, or None."""
    found = os.statvfs(persistence.STATE_DIR)
    free = found.f_bavail * found.f_frsize
    if free >= RESERVED + size:
        return None
    return f"{free} bytes are free, and {RESERVED} are kept besides the {size} of this request"


def _is_saved(service: str, operation: str) -> bool:
    return service not in _UNSAVED_SERVICES and operation not in _UNSAVED


class _Saver:
    """Saves one service's state: all requests that wait for it share one writing."""

    def __init__(self, key: str, save: Callable[[str, Any], None]) -> None:
        self._key = key
        self._save = save
        self._next: asyncio.Future[None] | None = None
        self._rests_until = 0.0

    async def saved(self) -> None:
        """Wait until the state as it is now is on disk.

        Raises:
            OSError: If it cannot be written.
        """
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
            self._work = asyncio.ensure_future(self._run())
        await asyncio.shield(self._next)

    async def _run(self) -> None:
        # What takes long is done half of the time at most: all other requests wait meanwhile.
        await asyncio.sleep(max(0.0, self._rests_until - time.monotonic()))
        waiting, self._next = self._next, None
        began = time.monotonic()
        error = await self._attempt()
        self._rests_until = 2 * time.monotonic() - began
        if waiting is not None and not waiting.done():
            waiting.set_exception(error) if error is not None else waiting.set_result(None)

    async def _attempt(self) -> OSError | None:
        for _ in range(_ATTEMPTS):
            try:
                with lent():
                    self._save(self._key, ms._build_persistence_save_dict()[self._key]())
            except OSError as error:
                return error
            except (KeyError, RuntimeError):  # not loaded yet, or a thread changes it just now
                await asyncio.sleep(0.01)
            else:
                return None
        logger.warning("the state of %s is saved at the next checkpoint", self._key)
        return None


def _saver(service: str, save: Callable[[str, Any], None]) -> _Saver:
    registered = ms.SERVICE_REGISTRY.get(service, {"module": service})
    key = registered.get("state_key", registered["module"])
    return _savers.setdefault(key, _Saver(key, save))


def _refusal(service: str, headers: Any, why: str) -> Answer:
    """503 in the form of the service's protocol, on which SDKs ask again."""
    code, words = "ServiceUnavailable", _FULL.format(why)
    if service == "s3":
        return s3._error(code, words, 503)  # type: ignore[no-any-return]
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        text = (
            f"<ErrorResponse><Error><Type>Receiver</Type><Code>{code}</Code>"
            f"<Message>{words}</Message></Error></ErrorResponse>"
        )
        return 503, {"Content-Type": "text/xml"}, text.encode()
    document = json.dumps({"__type": code, "message": words, "Message": words})
    kind = {"Content-Type": "application/json", "x-amzn-errortype": code}
    return 503, kind, document.encode()
