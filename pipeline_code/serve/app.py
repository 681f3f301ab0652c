"""The server's application: `GET /ping`, `GET /execution-parameters`, `POST /invocations`.

It speaks RSGI, Granian's own interface. The event loop only moves bytes: everything that computes
or waits for the online store runs in the worker's threads.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

from pipeline_code.common.paths import model_folder
from pipeline_code.serve.requests import (
    TOO_LARGE,
    UNSUPPORTED,
    RequestError,
    parse_rows,
    parse_transaction,
)
from pipeline_code.serve.scoring import Scoring, StoredStates
from pipeline_code.serve.settings import MEBIBYTE, Settings
from pipeline_code.train.model import Model

LOGGER = logging.getLogger(__name__)

JSON = "application/json"
CSV = "text/csv"

Answer = tuple[int, str, str]


class Application:
    """One worker: the model, its threads, and what each path answers."""

    def __init__(self, scoring: Scoring, settings: Settings) -> None:
        self._scoring = scoring
        self._settings = settings
        self._threads = ThreadPoolExecutor(settings.threads, thread_name_prefix="request")
        self._routes: dict[str, tuple[str, Callable[[str, bytes], Answer]]] = {
            "/ping": ("GET", self._ping),
            "/execution-parameters": ("GET", self._execution_parameters),
            "/invocations": ("POST", self._invocations),
        }

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answers one HTTP request."""
        status, kind, body = await self._answer(scope, protocol)
        protocol.response_str(status, [("content-type", kind)], body)

    async def _answer(self, scope: Any, protocol: Any) -> Answer:
        try:
            handler = self._route(scope)
            body = await self._body(scope, protocol)
            content_type = scope.headers.get("content-type", "")
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, handler, content_type, body)
        except RequestError as refused:
            return _error(refused.status, refused.reason)
        except Exception:
            LOGGER.exception("request failed")
            return _error(500, "internal error; see the server's log")

    def _route(self, scope: Any) -> Callable[[str, bytes], Answer]:
        if scope.path not in self._routes:
            raise RequestError(f"path must be one of {', '.join(self._routes)}", 404)
        method, handler = self._routes[scope.path]
        if scope.method != method:
            raise RequestError(f"method of {scope.path} must be {method}", 405)
        return handler

    async def _body(self, scope: Any, protocol: Any) -> bytes:
        limit = self._settings.max_body_bytes
        reason = f"body must have at most {limit} bytes, got more"
        length = scope.headers.get("content-length", "")
        if length.isdigit() and int(length) <= limit:
            return bytes(await protocol())
        chunks: list[bytes] = []
        size = 0
        # The length may be missing or a lie, so what is kept in memory is counted.
        async for chunk in protocol:
            size += len(chunk)
            if size <= limit:
                chunks.append(chunk)
        if size > limit:
            raise RequestError(reason, TOO_LARGE)
        return b"".join(chunks)

    def _ping(self, _content_type: str, _body: bytes) -> Answer:
        self._scoring.self_test()
        return 200, JSON, '{"status": "ok"}'

    def _execution_parameters(self, _content_type: str, _body: bytes) -> Answer:
        document = {
            "MaxConcurrentTransforms": self._settings.workers,
            "BatchStrategy": "MULTI_RECORD",
            "MaxPayloadInMB": self._settings.max_body_bytes // MEBIBYTE,
        }
        return 200, JSON, json.dumps(document)

    def _invocations(self, content_type: str, body: bytes) -> Answer:
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type == JSON:
            answer = self._scoring.score_transaction(parse_transaction(body))
            return 200, JSON, json.dumps(answer)
        if media_type == CSV:
            # json.dumps and repr write a float alike: the shortest text that reads back the same.
            scores = self._scoring.score_rows(parse_rows(body))
            return 200, CSV, "\n".join(map(repr, scores))
        raise RequestError(
            f"content type must be {JSON} or {CSV}, got {media_type[:40]!a}", UNSUPPORTED
        )


def build() -> Application:
    """Granian's factory, called once in each worker: loads the model and proves that it scores."""
    settings = Settings.from_environment()
    model = Model.load(model_folder())
    model.require_schema()
    scoring = Scoring(model, settings.model_version, _states(settings))
    scoring.self_test()
    LOGGER.info("model loaded", extra={"model_version": settings.model_version})
    return Application(scoring, settings)


def _states(settings: Settings) -> StoredStates | None:
    if settings.groups is None:
        LOGGER.warning("no feature groups set; raw transactions get default features")
        return None
    client = boto3.client(
        "sagemaker-featurestore-runtime",
        region_name=settings.region,
        config=Config(
            connect_timeout=settings.store_timeout_seconds,
            read_timeout=settings.store_timeout_seconds,
            retries={"mode": "standard", "total_max_attempts": 2},
            # A connection for each thread, kept open: a handshake costs more than the read.
            max_pool_connections=settings.threads,
            tcp_keepalive=True,
            # The identifiers are ours; checking them again costs a tenth of the call.
            parameter_validation=False,
        ),
    )
    return StoredStates(client, settings.groups)


def _error(status: int, reason: str) -> Answer:
    return status, JSON, json.dumps({"error": reason})
