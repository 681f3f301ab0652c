"""The server's application: `GET /ping`, `GET /execution-parameters`, `POST /invocations`.

It speaks RSGI, Granian's own interface. What is small and waits for nothing runs on the event loop
itself, since handing it to a thread would cost more than it takes. Long bodies and what takes
milliseconds to compute run in threads, so that other requests do not wait for them.
"""

import asyncio
import gc
import json
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any, TypeVar

import boto3
from granian.rsgi import ProtocolClosed

from pipeline_code.common.model_digest import require_digest
from pipeline_code.common.paths import model_folder
from pipeline_code.contracts.serving import ATTRIBUTES_HEADER, JSON, MEDIA_TYPES, PARQUET
from pipeline_code.serve.identity import Identity
from pipeline_code.serve.metrics import Meter
from pipeline_code.serve.negotiation import RequestHeaders, asking
from pipeline_code.serve.refusals import TOO_LARGE, RequestError
from pipeline_code.serve.rendering import render
from pipeline_code.serve.requests import ScoringRequest, parse_body
from pipeline_code.serve.rows import FeatureRows
from pipeline_code.serve.scoring import Scoring, ScoringResponse, keys_of
from pipeline_code.serve.settings import MEBIBYTE, ServerSettings
from pipeline_code.serve.states import States
from pipeline_code.serve.store import StoreReader
from pipeline_code.train.model import Model

__all__ = ["Application", "build"]

LOGGER = logging.getLogger(__name__)

# Longer bodies and batches are handed to a thread: they take more than about a millisecond.
INLINE_BYTES = 16_384
INLINE_ANSWERS = 16
# Python runs one thread at a time; the rest are there while compiled code runs without its lock.
COMPUTING_THREADS = 4

HEADERS = {media_type: [("content-type", media_type)] for media_type in MEDIA_TYPES}
METHODS = {"/ping": "GET", "/execution-parameters": "GET", "/invocations": "POST"}

Answer = tuple[int, str, bytes]
Result = TypeVar("Result")


class Application:
    """One worker: the model, the states it read, and what each path answers."""

    def __init__(
        self, scoring: Scoring, states: States, meter: Meter, settings: ServerSettings
    ) -> None:
        self._scoring = scoring
        self._states = states
        self._meter = meter
        self._limit = settings.max_body_bytes
        self._threads = ThreadPoolExecutor(COMPUTING_THREADS, thread_name_prefix="compute")
        parameters = {
            "MaxConcurrentTransforms": settings.workers,
            "BatchStrategy": "MULTI_RECORD",
            "MaxPayloadInMB": settings.max_body_bytes // MEBIBYTE,
        }
        self._parameters = json.dumps(parameters).encode()

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """The worker starts, and answers nobody before this returns."""
        loop.run_until_complete(self._states.start())
        self._meter.start()

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """The worker stops, its requests answered."""
        loop.run_until_complete(self._states.close())
        self._meter.stop()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answers one HTTP request."""
        try:
            status, media_type, body = await self._answer(scope, protocol)
        except RequestError as refused:
            status, media_type, body = _error(refused.status, refused.reason)
        except ProtocolClosed:
            return  # the caller hung up before all was sent: nobody to answer, and no failure
        except Exception:
            LOGGER.exception("request failed")
            self._meter.failed()
            status, media_type, body = _error(500, "internal error; see the server's log")
        protocol.response_bytes(status, HEADERS[media_type], body)

    async def _answer(self, scope: Any, protocol: Any) -> Answer:
        path = scope.path
        if path not in METHODS:
            raise RequestError(f"path must be one of {', '.join(METHODS)}", 404)
        if scope.method != METHODS[path]:
            raise RequestError(f"method of {path} must be {METHODS[path]}", 405)
        if path == "/invocations":
            return await self._invocation(scope.headers, protocol)
        if path == "/execution-parameters":
            return 200, JSON, self._parameters
        return self._ping()

    def _ping(self) -> Answer:
        self._scoring.self_test()
        return 200, JSON, b'{"status": "ok"}'

    async def _invocation(self, headers: Any, protocol: Any) -> Answer:
        started = perf_counter()
        asked = asking(
            headers.get("content-type", ""),
            headers.get("accept", ""),
            headers.get(ATTRIBUTES_HEADER, ""),
        )
        body = await self._body(headers.get("content-length", ""), protocol)
        inline = len(body) <= INLINE_BYTES and asked.reads != PARQUET
        requested = await self._run(inline, parse_body, asked.reads, body)
        read = perf_counter()
        score = await self._prepared(requested, asked)
        prepared = perf_counter()
        # A tree's contributions take milliseconds even for one row, as does a Parquet file.
        quick = not asked.reason_codes and asked.answers != PARQUET
        inline = inline and quick and len(requested.what) <= INLINE_ANSWERS

        def answer() -> tuple[ScoringResponse, bytes]:
            answers = score()
            return answers, render(answers, asked.answers, single=requested.single)

        answers, content = await self._run(inline, answer)
        self._meter.answered(answers, prepared - read, perf_counter() - started)
        return 200, asked.answers, content

    async def _prepared(
        self, requested: ScoringRequest, asked: RequestHeaders
    ) -> Callable[[], ScoringResponse]:
        """What scores the request, once all is there that it needs."""
        what, codes = requested.what, asked.reason_codes
        if isinstance(what, FeatureRows):
            return lambda: self._scoring.score_rows(what, codes)
        keys = [key for transaction in what for key in keys_of(transaction)]
        found = None if asked.fresh else self._states.known(keys)
        if found is None:
            found = await self._states.read(keys, fresh=asked.fresh)
        return lambda: self._scoring.score_transactions(what, found, codes)

    async def _run(self, inline: bool, work: Callable[..., Result], *arguments: Any) -> Result:
        if inline:
            return work(*arguments)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, work, *arguments)

    async def _body(self, length: str, protocol: Any) -> bytes:
        if length.isdigit() and int(length[:20]) <= self._limit:
            return bytes(await protocol())
        chunks: list[bytes] = []
        size = 0
        # The length may be missing or a lie, so what is kept in memory is counted.
        async for chunk in protocol:
            size += len(chunk)
            if size <= self._limit:
                chunks.append(chunk)
        if size > self._limit:
            raise RequestError(f"body must have at most {self._limit} bytes, got more", TOO_LARGE)
        return b"".join(chunks)


def build() -> Application:
    """Granian's factory, called once in each worker: loads the model and proves that it scores.

    Raises:
        BadInput: The model is not the one that was registered, or does not suit this code.
    """
    settings = ServerSettings.from_environment()
    require_digest(model_folder(), settings.model_digest)
    model = Model.load(model_folder()).compiled()
    model.require_schema()
    scoring = Scoring(model, settings.model_version, settings.thresholds)
    scoring.self_test()
    meter = Meter(settings.metrics)
    states = States(_store(settings, meter), settings.states)
    # What was loaded stays: to look for garbage in it would hold requests up for milliseconds.
    gc.collect()
    gc.freeze()
    LOGGER.info("model loaded", extra={"model_version": settings.model_version})
    return Application(scoring, states, meter, settings)


def _store(settings: ServerSettings, meter: Meter) -> StoreReader | None:
    if settings.groups is None:
        LOGGER.warning("no feature groups set; raw transactions get default features")
        return None
    session = boto3.Session()
    return StoreReader(
        session.client("sagemaker-featurestore-runtime"),
        Identity(session.get_credentials),
        settings.groups,
        throttled=meter.throttled,
        timeout_seconds=settings.store_timeout_seconds,
        reads=settings.states.reads,
        ca_bundle=os.environ.get("AWS_CA_BUNDLE"),
    )


def _error(status: int, reason: str) -> Answer:
    return status, JSON, json.dumps({"error": reason}).encode()
