"""The other servers of `benchmarks.serving`, each a process of its own.

    python -m benchmarks.peers.serving_apps noop     # ours, with a handler that does nothing
    python -m benchmarks.peers.serving_apps store    # Feature Store's GetRecord and BatchGetRecord
    python -m benchmarks.peers.serving_apps timed    # ours; GET /reads says how long reads take
    python -m benchmarks.peers.serving_apps batched  # ours, which reads all records in batches
    gunicorn 'benchmarks.peers.serving_apps:flask_app()'

The first four listen where our server would (SAGEMAKER_BIND_TO_PORT); STATES and MODEL_FILE name
files.
"""

import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from pipeline_code.serve import store
from pipeline_code.serve.app import build
from pipeline_code.serve.entry import server
from pipeline_code.serve.settings import ServerSettings
from pipeline_code.serve.store import StoreReader

HEADERS = [("content-type", "application/json")]


async def noop(_scope: Any, protocol: Any) -> None:
    """Takes a request and answers two bytes."""
    await protocol()
    protocol.response_bytes(200, HEADERS, b"{}")


class Store:
    """Answers GetRecord and BatchGetRecord as Feature Store does, from memory."""

    def __init__(self) -> None:
        records = json.loads(Path(os.environ["STATES"]).read_text(encoding="utf-8"))
        self._texts = {(group, identifier): text for group, identifier, text in records}

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """One request."""
        if scope.method == "GET":
            group = scope.path.removeprefix("/FeatureGroup/")
            (identifier,) = parse_qs(scope.query_string)["RecordIdentifierValueAsString"]
            await protocol()
            protocol.response_bytes(200, HEADERS, json.dumps(self._one(group, identifier)).encode())
            return
        assert scope.path == "/BatchGetRecord", scope.path
        asked = json.loads(await protocol())
        found = [
            self._record(wanted["FeatureGroupName"], identifier)
            for wanted in asked["Identifiers"]
            for identifier in wanted["RecordIdentifiersValueAsString"]
            if (wanted["FeatureGroupName"], identifier) in self._texts
        ]
        answer = {"Records": found, "Errors": [], "UnprocessedIdentifiers": []}
        protocol.response_bytes(200, HEADERS, json.dumps(answer).encode())

    def _one(self, group: str, identifier: str) -> dict[str, Any]:
        if (group, identifier) not in self._texts:
            return {}
        return {"Record": self._record(group, identifier)["Record"]}

    def _record(self, group: str, identifier: str) -> dict[str, Any]:
        values = {
            f"{group.rpartition('-')[2]}_id": identifier,
            "event_time": "2018-08-01T00:00:00.000Z",
            "state": self._texts[group, identifier],
        }
        record = [{"FeatureName": name, "ValueAsString": value} for name, value in values.items()]
        return {
            "FeatureGroupName": group,
            "RecordIdentifierValueAsString": identifier,
            "Record": record,
        }


class TimedApplication:
    """Our application, with a watch on its reads of the online store and nothing else."""

    def __init__(self) -> None:
        self._taken: list[float] = []
        read = StoreReader.read

        async def timed(reader: StoreReader, *arguments: Any) -> Any:
            started = time.perf_counter()
            found = await read(reader, *arguments)
            self._taken.append(time.perf_counter() - started)
            return found

        StoreReader.read = timed  # type: ignore[assignment, method-assign]
        self._application = build()
        self.__rsgi_init__ = self._application.__rsgi_init__
        self.__rsgi_del__ = self._application.__rsgi_del__

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """One request."""
        if scope.path == "/reads":
            median = statistics.median(self._taken) * 1e6
            self._taken.clear()
            protocol.response_bytes(200, HEADERS, json.dumps(median).encode())
        else:
            await self._application.__rsgi__(scope, protocol)


def build_noop() -> Any:
    """Granian's factory."""
    return noop


def build_store() -> Any:
    """Granian's factory."""
    return Store()


def build_timed() -> Any:
    """Granian's factory."""
    return TimedApplication()


def build_batched() -> Any:
    """Granian's factory."""
    store.ONE_BY_ONE = 0
    return build()


def flask_app() -> Any:
    """A prediction server as SageMaker's framework containers have it."""
    import flask  # noqa: PLC0415 - not every process here is one
    import numpy as np  # noqa: PLC0415
    import xgboost  # noqa: PLC0415

    booster = xgboost.Booster(model_file=os.environ["MODEL_FILE"])
    booster.set_param({"nthread": 1})
    app = flask.Flask("predictor")

    @app.get("/ping")
    def ping() -> Any:
        return flask.Response(status=200)

    @app.post("/invocations")
    def invocations() -> Any:
        lines = flask.request.get_data(as_text=True).splitlines()
        rows = np.array([line.split(",") for line in lines], dtype=np.float32)
        scores = booster.inplace_predict(rows, validate_features=False)
        return flask.Response("\n".join(map(str, scores.tolist())), mimetype="text/csv")

    return app


def main() -> None:
    """Serves one of the RSGI applications with exactly our server's settings."""
    running = server(ServerSettings.from_environment())
    assert running.target == "pipeline_code.serve.app:build", running.target
    running.target = f"benchmarks.peers.serving_apps:build_{sys.argv[1]}"
    running.serve()


if __name__ == "__main__":
    main()
