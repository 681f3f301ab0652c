"""The job on Spark: one host, several hosts, and what becomes of it when one fails."""

import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Thread

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_code.__main__ import main
from pipeline_code.features.parts import Output
from pipeline_code.features.spark import cluster as spark_cluster
from pipeline_code.features.spark.cluster import LEADER_PORT, Hosts, Leader, follow
from pipeline_code.features.spark.session import missing
from tests.pipeline_code.features.small_streams import (
    Row,
)
from tests.pipeline_code.features.test_sharded import lake, stream

PERIODS = ("--train-days", "7", "--test-days", "7")
ENTRY = ("-m", "pipeline_code", "features", "--engine", "spark")
# The entry itself, but its shards are small; it needs PySpark.
SMALL_SHARDS = """
import functools, sys
from pipeline_code.__main__ import main
from pipeline_code.features.spark import job
job.SparkFeatures = functools.partial(job.SparkFeatures, shard_rows=500)
sys.exit(main(["features", "--engine", "spark", *sys.argv[1:]]))
"""
GRACE_SECONDS = 240


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """What a host sets for Spark's processes goes no further."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ |= before


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of the batch driver's job, whose input all hosts share."""
    root = tmp_path / "single"
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(root))
    monkeypatch.delenv("FEATURE_GROUP_PATTERN", raising=False)
    return root


@pytest.fixture
def addresses() -> list[str]:
    """Two hosts of this machine that no other test has."""
    net = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}"  # noqa: S311 - no secret
    return [f"{net}.1", f"{net}.2"]


def run_hosts(
    root: Path, names: Sequence[str], entry: Sequence[str] = ("-c", SMALL_SHARDS)
) -> list[tuple[Path, int, str]]:
    """Runs the job on all hosts; returns each one's root, exit code and output."""
    started = []
    for name in names:
        own = root.parent / name
        (own / "config").mkdir(parents=True)
        (own / "processing").mkdir()
        (own / "processing" / "input").symlink_to(root / "processing" / "input")
        hosts = {"current_host": name, "hosts": list(names)}
        (own / "config" / "resourceconfig.json").write_text(json.dumps(hosts))
        process = subprocess.Popen(
            [sys.executable, *entry, *PERIODS],
            env=os.environ | {"SAGEMAKER_BASE_DIR": str(own)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append((own, process))
    ended = []
    try:
        for own, process in started:
            output, _ = process.communicate(timeout=GRACE_SECONDS)
            ended.append((own, process.returncode, output))
    finally:
        for _, process in started:
            process.kill()
    return ended


def rows_of(*folders: Path) -> pa.Table:
    tables = [pq.read_table(file) for folder in folders for file in folder.glob("*.parquet")]
    in_order = [("customer_id", "ascending"), ("event_time", "ascending")]
    return pa.concat_tables(tables).sort_by(in_order)


def summary(root: Path) -> dict[str, object]:
    file = root / "processing" / "output" / "summary" / "summary.json"
    document: dict[str, object] = json.loads(file.read_text())
    return document


@pytest.mark.spark
def test_two_hosts_write_what_one_writes(root: Path, addresses: list[str]) -> None:
    rows = stream()
    lake(root / "processing" / "input", [*rows, *rows[:9]])
    assert main(["features", *PERIODS]) == 0
    (leader, code, log), (follower, other_code, other_log) = run_hosts(root, addresses)
    assert (code, other_code) == (0, 0), log + other_log
    # Each host did some of the work, and what it wrote is out in the open.
    for host in (leader, follower):
        assert list((host / "processing" / "output").glob("t*/*.parquet"))
    for name in ("train", "test"):
        hosts = [host / "processing" / "output" / name for host in (leader, follower)]
        assert not any((folder / "_unfinished").exists() for folder in hosts)
        assert rows_of(*hosts).equals(rows_of(root / "processing" / "output" / name))
    assert summary(leader) == summary(root)
    assert not (follower / "processing" / "output" / "summary").exists()
    # No host leaves anything of Spark's behind.
    assert not list(leader.glob("features-*")) + list(follower.glob("features-*"))


@pytest.mark.spark
def test_what_one_task_refuses_fails_all_hosts_and_publishes_nothing(
    root: Path, addresses: list[str]
) -> None:
    rows = stream()
    lake(
        root / "processing" / "input",
        [*rows, Row(rows[3].id, rows[3].time, rows[3].customer, 1, 1)],
    )
    (leader, code, _), (follower, other_code, _) = run_hosts(root, addresses)
    assert (code, other_code) == (1, 1)
    reason = (leader / "output" / "message").read_text()
    assert reason.startswith("transaction_id must name one transaction, got one twice")
    told = (follower / "output" / "message").read_text()
    assert told == f"RuntimeError: {addresses[0]} must succeed, got: {reason}"
    for host in (leader, follower):
        assert not list((host / "processing" / "output").rglob("*.parquet"))


def test_what_every_host_can_see_is_refused_by_each_without_the_others(
    root: Path, addresses: list[str]
) -> None:
    (root / "processing" / "input").mkdir(parents=True)
    expected = missing() or "transactions must hold at least one row, got none; ingest some first"
    for own, code, log in run_hosts(root, addresses, ENTRY):
        assert code == 1, log
        assert (own / "output" / "message").read_text().strip() == expected


@pytest.mark.spark
def test_a_follower_that_loses_its_leader_publishes_nothing(
    tmp_path: Path, addresses: list[str]
) -> None:
    output = Output(folder=tmp_path / "features")
    staged = tmp_path / "features" / "_unfinished" / "part-00000.parquet"
    staged.parent.mkdir(parents=True)
    staged.touch()

    def lead(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.makefile("rb").readline()
            connection.sendall(b'{"master": "spark://127.0.0.1:1"}\n')

    with socket.create_server((addresses[0], LEADER_PORT)) as server:
        Thread(target=lead, args=(server,)).start()
        hosts = Hosts(addresses[1], tuple(addresses))
        with pytest.raises(RuntimeError, match=f"{addresses[0]} must stay until the end"):
            follow(hosts, [output], tmp_path / "work")
    assert not list(output.folder.glob("*.parquet"))


@pytest.mark.spark
def test_a_leader_does_not_wait_for_ever(
    tmp_path: Path, addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark_cluster, "ARRIVAL_SECONDS", 1)
    names = f"{addresses[0]}, {addresses[1]}"
    with (
        pytest.raises(RuntimeError, match=f"all of {names} must come .* got none besides"),
        Leader(Hosts(addresses[0], tuple(addresses)), tmp_path / "work"),
    ):
        pass


def test_a_part_that_no_host_has_is_an_error(tmp_path: Path) -> None:
    output = Output(folder=tmp_path / "train")
    staged = tmp_path / "train" / "_unfinished" / "part-00000.parquet"
    staged.parent.mkdir(parents=True)
    staged.touch()
    leader = Leader(Hosts("localhost", ("localhost",)), tmp_path / "work")
    wanted = frozenset({"part-00000.parquet", "part-00007.parquet"})
    with pytest.raises(RuntimeError, match=r"every part of train .* none for part-00007.parquet"):
        leader.publish([output], [wanted])


def test_the_hosts_are_those_that_sagemaker_names(root: Path) -> None:
    assert Hosts.read().followers == 0
    (root / "config").mkdir(parents=True)
    document = {"current_host": "algo-2", "hosts": ["algo-2", "algo-1", "algo-3"]}
    (root / "config" / "resourceconfig.json").write_text(json.dumps(document))
    hosts = Hosts.read()
    assert (hosts.current, hosts.leader, hosts.followers) == ("algo-2", "algo-1", 2)


def test_without_java_it_says_how_to_get_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    root.mkdir()
    assert main(["features", "--engine", "spark", *PERIODS]) == 1
    message = (root / "output" / "message").read_text()
    assert message.startswith("engine spark must have PySpark and Java, got no ")
    assert "Java 17 or later; run the image's target `spark`, or install a Java" in message
