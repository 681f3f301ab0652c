"""Our server beside MLflow's and a Flask one: same model, same machine, one worker each, one run.

    python -m benchmarks.serving --json -        # needs wrk

All are processes that stay up, and wrk asks one after another, in rounds, so that what else the
machine does meets all of them. The model is of 300 trees of depth 5, learned from simulated
transactions; requests are of 50 customers at 50 terminals. Before it is timed, every answer is
compared with the score of the model's library.

    noop     our server's stack and settings with a handler that does nothing
    csv      ours, a feature row as CSV; json: as JSON Lines
    raw      ours, a raw transaction whose states were read a moment ago
    cold     ours, a raw transaction whose states are read for it, with a watch on these reads
    batched  the same without the watch, by BatchGetRecord and not by GetRecord
    mlflow   `mlflow models serve`, a feature row as CSV
    flask    Flask under gunicorn, as SageMaker's framework containers have it, a row as CSV

JSON: `times_mlflow` and `times_flask` are csv's requests a second over theirs, at 16 connections,
`cold_over_batched` those of the two ways to read. `p50_over_noop`, `p50_raw_over_noop` are medians
over noop's at one connection, and `p50_raw_outside_store_over_noop` cold's less the store's own
read, `store_p50`. Times are microseconds. Each figure is the best of the rounds, for all alike:
whatever else the machine does only ever adds to a time.
"""

import argparse
import http.client
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from benchmarks.load import Load, Target, require_wrk, run
from benchmarks.measuring import add_json, show
from benchmarks.worlds.serving_processes import Ports, ask, running
from benchmarks.worlds.serving_world import World, build_world
from pipeline_code.features.definitions import FEATURE_NAMES

CONNECTIONS = 16
WARM_UP_SECONDS = 1
CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"
# Read anew for each request, whatever the server has read a moment ago.
COLD = "state_cache=off"


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2, help="of each load")
    parser.add_argument("--rounds", type=int, default=8)
    add_json(parser)
    arguments = parser.parse_args()
    require_wrk()
    world = build_world()
    with tempfile.TemporaryDirectory(prefix="serving-") as name:
        folder = Path(name)
        with running(world, folder) as ports:
            targets = _targets(world, ports)
            _check(world, targets)
            show(_measure(targets, folder, arguments), arguments.json)


def _targets(world: World, ports: Ports) -> dict[str, Target]:
    csv, raw, ours = world.csv_rows(), world.transactions, ports["ours"]
    header = ",".join(FEATURE_NAMES).encode() + b"\n"
    return {
        "noop": Target(port=ports["noop"], content_type=CSV, bodies=csv),
        "csv": Target(port=ours, content_type=CSV, bodies=csv),
        "json": Target(port=ours, content_type=JSON_LINES, bodies=world.json_rows()),
        "raw": Target(port=ours, content_type=JSON, bodies=raw),
        "cold": Target(port=ports["timed"], content_type=JSON, bodies=raw, attributes=COLD),
        "batched": Target(port=ports["batched"], content_type=JSON, bodies=raw, attributes=COLD),
        "mlflow": Target(
            port=ports["mlflow"], content_type=CSV, bodies=[header + row for row in csv]
        ),
        "flask": Target(port=ports["flask"], content_type=CSV, bodies=csv),
    }


def _check(world: World, targets: Mapping[str, Target]) -> None:
    """Every answer, compared with the library's score to the last bit."""
    booster = xgboost.Booster(model_file=bytearray(world.model.scorer.content))
    theirs = booster.inplace_predict(world.rows, validate_features=False).tolist()
    expected = dict.fromkeys(("csv", "json", "raw", "cold", "batched"), world.scores)
    for name, scores in (expected | {"mlflow": theirs, "flask": theirs}).items():
        target = targets[name]
        answers = [
            ask(target.port, body, target.content_type, target.attributes) for body in target.bodies
        ]
        got = [float(np.float32(_READERS.get(name, float)(answer))) for answer in answers]
        if got != scores:
            raise RuntimeError(f"{name} must answer the library's scores, got {got} for {scores}")


def _score_of(answer: bytes) -> float:
    document = json.loads(answer)
    if document.get("degraded"):
        raise RuntimeError(f"no answer may be degraded, got {document}")
    return float(document["score"])


_READERS: Mapping[str, Callable[[bytes], float]] = {
    "json": _score_of,
    "raw": _score_of,
    "cold": _score_of,
    "batched": _score_of,
    "mlflow": lambda answer: float(json.loads(answer)["predictions"][0]),
}


def _measure(
    targets: Mapping[str, Target], folder: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    alone: dict[str, list[Load]] = {name: [] for name in targets}
    together: dict[str, list[Load]] = {name: [] for name in targets}
    store: list[float] = []
    for target in targets.values():
        run(target, connections=CONNECTIONS, seconds=WARM_UP_SECONDS, folder=folder)
    _store_microseconds(targets["cold"].port)
    for _ in range(arguments.rounds):
        for name, target in targets.items():
            for connections, loads in ((1, alone), (CONNECTIONS, together)):
                load = run(
                    target, connections=connections, seconds=arguments.seconds, folder=folder
                )
                loads[name].append(load)
                if name == "cold":
                    reads = _store_microseconds(target.port)
                    store += [reads] if connections == 1 else []
    return _figures(alone, together, store)


def _figures(
    alone: Mapping[str, list[Load]], together: Mapping[str, list[Load]], store: list[float]
) -> dict[str, Any]:
    rates = {name: max(load.per_second for load in loads) for name, loads in together.items()}
    p50 = {name: min(load.p50 for load in loads) for name, loads in alone.items()}
    p99 = {name: min(load.p99 for load in loads) for name, loads in alone.items()}
    # Of one round, whose reads are those that its median had to wait for.
    outside, read = min(
        (load.p50 - own, own) for load, own in zip(alone["cold"], store, strict=True)
    )
    result: dict[str, Any] = {
        "times_mlflow": rates["csv"] / rates["mlflow"],
        "times_flask": rates["csv"] / rates["flask"],
        "p50_over_noop": p50["csv"] / p50["noop"],
        "p50_json_over_noop": p50["json"] / p50["noop"],
        "p50_raw_over_noop": p50["raw"] / p50["noop"],
        "p50_raw_outside_store_over_noop": outside / p50["noop"],
        "store_p50": read,
        "cold_over_batched": rates["cold"] / rates["batched"],
    }
    for name, rate in rates.items():
        result |= {
            f"{name}_per_second": rate,
            f"{name}_p50": p50[name],
            f"{name}_p99": p99[name],
        }
    return {name: round(value, 2) for name, value in result.items()}


def _store_microseconds(port: int) -> float:
    """The median time of the reads since it was last asked for, in the server itself."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/reads")
        return float(connection.getresponse().read())
    finally:
        connection.close()


if __name__ == "__main__":
    main()
