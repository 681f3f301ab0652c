"""A job that was killed goes on where it was, to the very bytes that it would have written.

That each algorithm goes on from its file so, test_algorithms.py has.
"""

import json
import random
import signal
import time
from pathlib import Path

from pipeline_code.train.interruption import EXIT_CODE

from .conftest import make_rows
from .job_process import JobProcess, prepare, start

PARAMETERS = {
    "rounds": "40",
    "max_depth": "4",
    "validation_days": "1",
    "early_stopping_rounds": "40",
    # Of all rounds, so that a kill at any moment finds one.
    "checkpoint_seconds": "0",
}


def rooted(folder: Path) -> Path:
    root = prepare(folder, make_rows(4000), PARAMETERS)
    (root / "checkpoints").mkdir()
    return root


def kill(job: JobProcess, number: signal.Signals, lines: int) -> int:
    """Sends the signal once so many rounds are logged; returns the exit code."""
    while job.process.poll() is None and len((job.root / "log").read_text().splitlines()) < lines:
        time.sleep(0.005)
    job.process.send_signal(number)
    return job.end()


def test_a_killed_job_ends_with_the_bytes_of_one_that_was_not(tmp_path: Path) -> None:
    whole = start(rooted(tmp_path / "whole"))
    assert whole.end() == 0, whole.failure()
    root = rooted(tmp_path / "killed")
    generator = random.Random(1)  # noqa: S311 - moments, not secrets
    for number in (signal.SIGKILL, signal.SIGTERM):
        job = start(root)
        code = kill(job, number, lines=generator.randint(2, 12))
        assert code == (EXIT_CODE if number == signal.SIGTERM else -signal.SIGKILL)
        assert (root / "checkpoints" / "checkpoint").is_file()
        assert not (root / "model").exists()
    last = start(root)
    assert last.end() == 0, last.failure()
    assert last.lines()[0]["checkpoint"] == "used"
    assert len(last.lines()) < len(whole.lines())
    assert last.model() == whole.model()
    assert not list(root.glob("train-*"))


def test_sigterm_leaves_a_checkpoint_that_is_not_used_for_other_rows(tmp_path: Path) -> None:
    root = rooted(tmp_path / "job")
    interrupted = start(root)
    assert kill(interrupted, signal.SIGTERM, lines=3) == EXIT_CODE
    assert interrupted.lines()[-1]["interrupted"] == "SIGTERM"
    assert not (root / "output" / "failure").exists()
    columns = make_rows(4000, seed=2)
    fresh = prepare(tmp_path / "fresh", columns, PARAMETERS)
    (root / "checkpoints").rename(fresh / "checkpoints")
    job = start(fresh)
    assert job.end() == 0
    assert job.lines()[0] == {
        "checkpoint": "not used",
        "reason": "it is of other rows, parameters or code",
    }
    assert (
        json.loads(job.model()["metadata.json"])["train_frauds"]
        == columns["is_fraud"].sum().as_py()
    )
