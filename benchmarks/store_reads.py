"""The server's reads of the online store: records one by one, side by side, or in a batch.

    python -m benchmarks.store_reads --json -
    python -m benchmarks.store_reads --embedded --json -      # from an embedded AWS

Both ways read the same records by turns, in one run, from a process that has them in memory: one
read after another, and sixteen at a time. Each figure is the best of the rounds, for both alike.

JSON, by the number of records in a read, of `single` (GetRecord for each) and `batch`
(BatchGetRecord): `p50` and `p99` of a read alone and `cpu`, the processor time that one takes of
the reader, all in microseconds; `per_second` at sixteen at a time. `single_over_batch_...` are the
ratios, `quota_...` how many reads a second AWS's quotas allow an account.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import numpy as np

from benchmarks.measuring import add_json, show
from benchmarks.worlds.serving_processes import free_port, serving
from benchmarks.worlds.serving_world import GROUPS
from local_aws.server import EmbeddedAws
from pipeline_code.contracts.quotas import BATCH_GETS_A_SECOND, CALLS_A_SECOND
from pipeline_code.features.definitions import CUSTOMER, ENTITIES, TERMINAL
from pipeline_code.features.store.online_store import FeatureGroups, OnlineStore, features_of
from pipeline_code.features.store.records import Key
from pipeline_code.serve import store as store_module
from pipeline_code.serve.identity import Identity
from pipeline_code.serve.store import StoreReader

RECORDS = (1, 2, 4, 6, 8, 20)
ENTITIES_OF_EACH = 50
AT_A_TIME = 16
# About that of a customer with a transaction a day.
STATE = "s" * 1_000
TIME = "2018-08-01T00:00:00.000Z"
# By way, how many records at most are read one by one.
WAYS = {"single": max(RECORDS), "batch": 0}
NAMES = FeatureGroups(customer=GROUPS[CUSTOMER], terminal=GROUPS[TERMINAL])
KEYS = [Key(entity, id_) for id_ in range(ENTITIES_OF_EACH) for entity in ENTITIES]


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.5, help="of each load")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--embedded", action="store_true", help="read from an embedded AWS")
    add_json(parser)
    arguments = parser.parse_args()
    store = _embedded if arguments.embedded else _in_memory
    with tempfile.TemporaryDirectory(prefix="store-reads-") as name, store(Path(name)) as session:
        show(asyncio.run(_measure(*session, arguments)), arguments.json)


@contextmanager
def _in_memory(folder: Path) -> Iterator[tuple[boto3.Session, str]]:
    """A process that answers from memory."""
    port, states = free_port(), folder / "states.json"
    texts = [[GROUPS[key.entity], str(key.id), STATE] for key in KEYS]
    states.write_text(json.dumps(texts), encoding="utf-8")
    variables = {
        "SAGEMAKER_BIND_HOST": "127.0.0.1",
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SERVE_WORKERS": "1",
        "STATES": str(states),
        "REVIEW_THRESHOLD": "none",
        "DECLINE_THRESHOLD": "none",
        "MODEL_DIGEST": "00" * 32,
    }
    command = [sys.executable, "-m", "benchmarks.peers.serving_apps", "store"]
    with serving(command, variables, port, "", folder / "log"):
        yield boto3.Session("test", "test", region_name="us-east-1"), f"http://127.0.0.1:{port}"


@contextmanager
def _embedded(folder: Path) -> Iterator[tuple[boto3.Session, str]]:
    """An embedded AWS with the same records."""
    with EmbeddedAws(folder / "state", port=free_port()) as aws:
        session = aws.session()
        for entity in ENTITIES:
            columns = features_of(entity)
            session.client("sagemaker").create_feature_group(
                FeatureGroupName=NAMES.of(entity),
                RecordIdentifierFeatureName=columns[0],
                EventTimeFeatureName=columns[1],
                FeatureDefinitions=[
                    {"FeatureName": name, "FeatureType": kind}
                    for name, kind in zip(columns, ("Integral", "String", "String"), strict=True)
                ],
                OnlineStoreConfig={"EnableOnlineStore": True},
            )
        client = session.client("sagemaker-featurestore-runtime")
        time.sleep(2)
        OnlineStore(client, NAMES).write((key, _record(key)) for key in KEYS)
        yield session, f"http://127.0.0.1:{aws.port}"


def _record(key: Key) -> list[dict[str, str]]:
    values = (str(key.id), TIME, STATE)
    return [
        {"FeatureName": name, "ValueAsString": value}
        for name, value in zip(features_of(key.entity), values, strict=True)
    ]


async def _measure(
    session: boto3.Session, url: str, arguments: argparse.Namespace
) -> dict[str, Any]:
    client = session.client("sagemaker-featurestore-runtime", endpoint_url=url)
    reader = StoreReader(client, Identity(session.get_credentials), NAMES)
    await reader.start()
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    try:
        for _ in range(arguments.rounds):
            for count in RECORDS:
                for way, most in WAYS.items():
                    store_module.ONE_BY_ONE = most
                    found[f"{way}_{count}"].append(
                        await _load(reader, KEYS[:count], arguments.seconds)
                    )
    finally:
        await reader.close()
    return _figures(found)


async def _load(reader: StoreReader, keys: list[Key], seconds: float) -> dict[str, float]:
    """The times of reads alone, and how many there are a second at a time."""
    taken: list[float] = []
    assert len(await _read(reader, keys)) == len(keys)
    began, cpu = time.perf_counter(), time.process_time()
    while (start := time.perf_counter()) < began + seconds:
        await _read(reader, keys)
        taken.append((time.perf_counter() - start) * 1e6)
    cpu = (time.process_time() - cpu) * 1e6 / len(taken)
    until, reads = time.perf_counter() + seconds, 0

    async def read_on() -> None:
        nonlocal reads
        while time.perf_counter() < until:
            await _read(reader, keys)
            reads += 1

    await asyncio.gather(*(read_on() for _ in range(AT_A_TIME)))
    p50, p99 = np.percentile(taken, [50, 99]).tolist()
    return {"p50": p50, "p99": p99, "cpu": cpu, "per_second": reads / seconds}


async def _read(reader: StoreReader, keys: list[Key]) -> Any:
    return await reader.read(keys, asyncio.get_running_loop().time() + 60)


def _figures(found: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for count in RECORDS:
        best = {
            way: {
                name: (max if name == "per_second" else min)(each[name] for each in rounds)
                for name in rounds[0]
            }
            for way in WAYS
            for rounds in [found[f"{way}_{count}"]]
        }
        figures |= {
            f"{way}_{count}_{name}": round(value)
            for way, values in best.items()
            for name, value in values.items()
        }
        figures |= {
            f"single_over_batch_{count}_{name}": round(value / best["batch"][name], 2)
            for name, value in best["single"].items()
        }
        figures[f"quota_single_{count}"] = CALLS_A_SECOND // count
        figures[f"quota_batch_{count}"] = BATCH_GETS_A_SECOND
    return figures


if __name__ == "__main__":
    main()
