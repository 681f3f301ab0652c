"""Several hosts learn one model, or all of them fail and say why."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_code.common.exits import BadInput
from pipeline_code.common.peers import Peer
from pipeline_code.train import joining, watching
from pipeline_code.train.entry import main
from pipeline_code.train.hosts import ALONE, Hosts
from pipeline_code.train.interruption import EXIT_CODE
from pipeline_code.train.joining import join

from .conftest import make_rows
from .job_process import PROJECT, JobProcess, name_hosts, prepare, start

HOSTS = ("127.0.0.1", "127.0.0.2")
PARAMETERS = {
    "rounds": "25",
    "max_depth": "4",
    "learning_rate": "0.1",
    "validation_days": "1",
    "early_stopping_rounds": "8",
    "checkpoint_seconds": "0",
}
ROWS = make_rows(6000)


def roots(folder: Path, parameters: dict[str, str] | None = None) -> list[Path]:
    """Each host's root; the rows are on all."""
    found = []
    for host in HOSTS:
        root = prepare(folder / host, ROWS, PARAMETERS | (parameters or {}))
        name_hosts(root, HOSTS, host)
        (root / "checkpoints").mkdir()
        found.append(root)
    return found


def start_all(found: Sequence[Path]) -> list[JobProcess]:
    return [start(root, TRAINING_JOB_NAME=str(found[0])) for root in found]


def wait_for_lines(job: JobProcess, count: int) -> None:
    while len((job.root / "log").read_text().splitlines()) < count:
        assert job.process.poll() is None, (job.root / "errors").read_text()
        time.sleep(0.01)


def final(job: JobProcess) -> float:
    assert job.end() == 0, (job.root / "errors").read_text()
    return float(job.lines()[-1]["validation:average_precision"])


def test_two_hosts_learn_as_well_as_one_and_the_same_after_an_interruption(tmp_path: Path) -> None:
    alone = start(prepare(tmp_path / "alone", ROWS, PARAMETERS))
    quality = final(alone)
    whole = start_all(roots(tmp_path / "whole"))
    assert final(whole[0]) == pytest.approx(quality, abs=0.02)
    assert whole[1].end() == 0
    assert not whole[1].lines()
    assert not (whole[1].root / "model").exists()
    model = whole[0].model()
    metadata = json.loads(model["metadata.json"])
    assert metadata["train_rows"] == 6000
    assert metadata["train_frauds"] == int(np.sum(ROWS["is_fraud"].to_numpy()))
    assert metadata["validation"]["rows"] == alone.lines()[-1]["validation:rows"]

    # All hosts end after one round, and go on after it.
    found = roots(tmp_path / "stopped")
    jobs = start_all(found)
    wait_for_lines(jobs[0], 3)
    # Only the host that does not lead is told.
    jobs[1].process.send_signal(signal.SIGTERM)
    assert [job.end() for job in jobs] == [EXIT_CODE, EXIT_CODE]
    assert [len(list((root / "checkpoints").iterdir())) for root in found] == [1, 0]
    again = start_all(found)
    assert [job.end() for job in again] == [0, 0]
    assert again[0].lines()[0]["checkpoint"] == "used"
    assert again[0].model() == model


@pytest.mark.parametrize("dead", [0, 1])
def test_a_host_that_dies_fails_the_others(tmp_path: Path, dead: int) -> None:
    jobs = start_all(roots(tmp_path, {"rounds": "5000", "early_stopping_rounds": "5000"}))
    wait_for_lines(jobs[0], 2)
    jobs[dead].process.kill()
    assert jobs[1 - dead].end() == 1
    rule = "all of 127.0.0.1, 127.0.0.2 must stay until the end, got"
    assert rule in jobs[1 - dead].failure()
    assert not (jobs[0].root / "model").exists()


def test_what_one_host_refuses_all_refuse(tmp_path: Path) -> None:
    found = roots(tmp_path)
    channel = {"train": {"S3DistributionType": "ShardedByS3Key"}}
    for root in found:
        (root / "input" / "config" / "inputdataconfig.json").write_text(json.dumps(channel))
    file = found[1] / "input" / "data" / "train" / "part-0.parquet"
    table = pq.read_table(file)
    broken = table["terminal_risk_7d"].to_numpy().copy()
    broken[17] = np.nan
    place = table.column_names.index("terminal_risk_7d")
    pq.write_table(table.set_column(place, "terminal_risk_7d", pa.array(broken)), file)
    jobs = start_all(found)
    for job in jobs:
        assert job.end() == 1
        assert job.failure() == (
            "train column terminal_risk_7d must be finite, got nan in row 17 (on 127.0.0.2)"
        )


def test_a_host_may_have_no_rows_of_the_earlier_or_the_later_days(tmp_path: Path) -> None:
    parameters = {"rounds": "4", "early_stopping_rounds": "0", "validation_days": "2"}
    found = roots(tmp_path, parameters | {"external_memory": "on"})
    channel = {"train": {"S3DistributionType": "ShardedByS3Key"}}
    for root, part in zip(found, (slice(0, 3000), slice(3000, 6000)), strict=True):
        (root / "input" / "config" / "inputdataconfig.json").write_text(json.dumps(channel))
        file = root / "input" / "data" / "train" / "part-0.parquet"
        pq.write_table(pq.read_table(file)[part], file)
    jobs = start_all(found)
    assert final(jobs[0]) > 0.8
    assert jobs[1].end() == 0
    assert json.loads(jobs[0].model()["metadata.json"])["train_rows"] == 6000


def test_scikit_learn_refuses_several_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_hosts(prepare(tmp_path / "job", ROWS, {"algorithm": "scikit-learn"}), HOSTS, HOSTS[0])
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path / "job"))
    with pytest.raises(BadInput, match="instance count must be 1 for scikit-learn, got 2"):
        main([])


def test_a_host_that_does_not_come_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "ARRIVAL_SECONDS", 1)
    rule = "all of 127.0.0.1, 127.0.0.2 must come within 1 seconds, got 127.0.0.1; see the logs"
    with pytest.raises(RuntimeError, match=rule), join(Hosts(HOSTS[0], HOSTS)):
        pytest.fail("nobody came")
    rule = "127.0.0.1 must lead within 1 seconds, got no answer"
    with pytest.raises(RuntimeError, match=rule), join(Hosts(HOSTS[1], HOSTS)):
        pytest.fail("nobody led")


STUCK = """
import socket, sys, time
from pipeline_code.common.peers import Peer
from pipeline_code.train import watching
watching.GRACE_SECONDS = 0.1
peer = Peer(socket.socket(fileno=int(sys.argv[1])), "algo-2")
with watching.watched([peer], ("algo-1", "algo-2")):
    time.sleep(300)
"""


def test_a_host_that_hangs_when_another_is_lost_is_ended(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK, str(theirs.fileno())],
        cwd=PROJECT,
        env={**os.environ, "SAGEMAKER_BASE_DIR": str(tmp_path)},
        pass_fds=[theirs.fileno()],
    )
    theirs.close()
    ours.close()
    assert process.wait(120) == 1
    assert (tmp_path / "output" / "failure").read_text() == (
        "all of algo-1, algo-2 must stay until the end, got algo-2 lost; its log says why"
    )


def test_a_host_that_is_done_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "GRACE_SECONDS", 0)
    ours, theirs = socket.socketpair()
    with theirs, ours:
        other = Peer(theirs, "algo-1")
        with watching.watched([Peer(ours, "algo-2")], ("algo-1", "algo-2")):
            other.send({"done": True})
        assert other.receive() == {"done": True}


def test_strangers_at_the_leaders_port_are_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "ARRIVAL_SECONDS", 20)
    monkeypatch.setattr(joining, "POLL_SECONDS", 0.05)
    sent_away = []

    def knock() -> None:
        for message in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"",
            b'{"job": "other", "host": "127.0.0.2"}\n',
            b'{"job": "", "host": "127.0.0.9"}\n',
        ):
            sent_away.append(_answer(message))
        _answer(b'{"job": "", "host": "127.0.0.2"}\n', wait=False)

    monkeypatch.delenv("TRAINING_JOB_NAME", raising=False)
    thread = threading.Thread(target=knock)
    thread.start()
    with ExitStack() as stack:
        came = joining._gather(Hosts(HOSTS[0], HOSTS), stack)
    thread.join()
    assert [peer.name for peer in came] == ["127.0.0.2"]
    assert sent_away == [b""] * 4


def _answer(message: bytes, wait: bool = True) -> bytes:
    """What the leader says to a message; nothing if it hangs up."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((HOSTS[0], joining.LEADER_PORT)) as connection:
                connection.sendall(message)
                try:
                    return connection.recv(100) if wait else b""
                except ConnectionResetError:
                    return b""
        except ConnectionRefusedError:
            time.sleep(0.02)
    return b"nobody listened"


def test_hosts_are_read_where_sagemaker_says_them(ml_root: Path) -> None:
    assert Hosts.read() == Hosts("localhost", ("localhost",))
    (ml_root / "input" / "config").mkdir(parents=True)
    name_hosts(ml_root, ("algo-2", "algo-1"), "algo-2")
    assert Hosts.read() == Hosts("algo-2", ("algo-1", "algo-2"))
    assert Hosts.read().rank == 1


def test_hosts_are_read_from_the_environment(
    ml_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SM_HOSTS", '["algo-2", "algo-1"]')
    monkeypatch.setenv("SM_CURRENT_HOST", "algo-1")
    assert Hosts.read() == Hosts("algo-1", ("algo-1", "algo-2"))
    monkeypatch.setenv("SM_CURRENT_HOST", "algo-3")
    with pytest.raises(BadInput, match="must be among algo-1, algo-2, got algo-3"):
        Hosts.read()


def test_one_host_answers_itself() -> None:
    numbers = np.array([1, 2])
    assert ALONE.total(numbers) is numbers
    assert ALONE.texts("one") == ["one"]
    assert ALONE.leaders(b"content") == b"content"
    assert ALONE.leaders(None) is None
    with join(Hosts("localhost", ("localhost",))) as team:
        assert team.leads
        assert team.size == 1
