"""Tiny entry points that the tests run as jobs: `python entries.py copy`.

SageMaker allows 256 characters a word, so they cannot be given as `python -c` in the request.
"""

import importlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


def copy() -> None:
    """Report what the job was given."""
    source = ROOT / "processing/input/raw"
    config = json.loads((ROOT / "config/processingjobconfig.json").read_text())
    report = {
        "names": sorted(p.relative_to(source).as_posix() for p in source.rglob("*") if p.is_file()),
        "job": config["ProcessingJobName"],
        "arguments": sys.argv[2:],
        "environment": dict(os.environ),
    }
    (ROOT / "processing/output/report/report.json").write_text(json.dumps(report))


def look() -> None:
    """Report what the process is, and what it sees and can do."""

    boto3 = importlib.import_module("boto3")  # not for all: it takes half a second

    def outcome(action: Callable[[], object]) -> str:
        try:
            return str(action())
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    report = {
        "pid": os.getpid(),
        "user": os.getuid(),
        "environment": dict(os.environ),
        "root": str(ROOT),
        "ml": sorted(os.listdir(ROOT)),  # noqa: PTH208
        "state": os.path.exists(sys.argv[2]),  # noqa: PTH110
        "program": outcome(Path("/usr/written").touch),
        "private": outcome(Path("/tmp/private").touch),  # noqa: S108
        "project": outcome(lambda: importlib.import_module("local_aws.settings")),
        "image": outcome(lambda: importlib.import_module("pipeline_code.common.paths").__file__),
        "network": outcome(lambda: boto3.client("sts", "us-east-1").get_caller_identity()["Arn"]),
    }
    (ROOT / "processing/output/report/report.json").write_text(json.dumps(report))


def ignore() -> None:
    """Run on, whatever asks it to end by the default of a signal."""
    print("up", flush=True)
    time.sleep(600)


def refuse() -> None:
    """Fail with a message, as a check step does."""
    (ROOT / "output/message").write_text("transactions/a.parquet row 3: amount must be positive")
    sys.exit(1)


def sleep() -> None:
    """Run until stopped; as process 1 it is by a handler, or not at all."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    print("up", flush=True)
    time.sleep(600)


def measure() -> None:
    """Write the number that is its first argument as a metric."""
    metrics = {"metrics": {"value": float(sys.argv[2])}, "reason": f"value is {sys.argv[2]}"}
    (ROOT / "processing/output/report/report.json").write_text(json.dumps(metrics))


def card() -> None:
    """Describe a model for the registry: metadata, a model card, and whether to register it."""
    overview = {"model_creator": "the tests"}
    document = {
        "package": {"train_rows": "120", "gate_reason": "passed: 0.75 is not below 0.5"},
        "content": json.dumps({"model_overview": overview}),
        "status": sys.argv[2],
    }
    (ROOT / "processing/output/report/report.json").write_text(json.dumps(document))


def train() -> None:
    """Make a model of the training channel's content and the hyperparameters."""
    settings = json.loads((ROOT / "input/config/hyperparameters.json").read_text())
    if settings.get("fail"):
        (ROOT / "output/failure").write_text(settings["fail"])
        sys.exit(2)
    rows = [path.read_text() for path in sorted((ROOT / "input/data/train").rglob("*.csv"))]
    (ROOT / "model/model.json").write_text(json.dumps({"rows": rows, "settings": settings}))
    (ROOT / "model/job").write_text(os.environ["TRAINING_JOB_NAME"])
    (ROOT / "output/data/curve.txt").write_text("1 2 3")
    print("epoch 1 loss=0.5;")
    print("epoch 2 loss=0.25;")


def same() -> None:
    """Make a model that does not depend on the job."""
    for name in ("b", "a"):
        (ROOT / "model" / name).write_text(name)


def resume() -> None:
    """Go on from a checkpoint; without one, leave one and wait to be interrupted."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    folder = ROOT / "checkpoints"
    if found := sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()):
        rows = [p.name for p in (ROOT / "input/data/train").iterdir()]
        leftovers = [p.name for p in (ROOT / "model").iterdir()]
        report = {"found": found, "rows": rows, "leftovers": leftovers}
        (ROOT / "model/report.json").write_text(json.dumps(report))
        return
    (ROOT / "model/half").write_text("of a model")
    (folder / "rounds").mkdir(parents=True)
    (folder / "rounds/7.json").write_text('{"round": 7}')
    print('{"round": 7, "loss": 0.75}', flush=True)
    time.sleep(600)


def killed() -> None:
    """Lose the instance at once, every time; process 1 cannot kill itself."""
    os._exit(128 + signal.SIGKILL)


def persist() -> None:
    """Write checkpoints, some of them slowly, until asked to stop; keep what there is by then."""
    folder = ROOT / "checkpoints"

    def stop(*_: object) -> None:
        (folder / "last").write_text("said at the end")
        (ROOT / "model/model").write_text("stopped early")
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    folder.mkdir(exist_ok=True)
    (folder / "deleted").write_text("soon")
    with (folder / "slow").open("w") as file:
        for _ in range(40):
            file.write("x" * 30)
            file.flush()
            time.sleep(0.05)
    (folder / "whole").write_text("done")
    time.sleep(2.5)  # the files above are old enough now, and have been copied
    (folder / "deleted").unlink()
    print("written", flush=True)
    time.sleep(600)


def host() -> None:
    """Meet the other hosts where the configuration says they are, and report what was seen."""
    config = json.loads((ROOT / "input/config/resourceconfig.json").read_text())
    me, others = config["current_host"], [n for n in config["hosts"] if n != config["hosts"][0]]
    met = []
    if me == config["hosts"][0]:
        with socket.create_server((me, 7000)) as server:
            for _ in others:
                connection, _ = server.accept()
                met.append(connection.recv(100).decode())
                connection.close()
    else:
        for _ in range(200):
            try:
                with socket.create_connection((config["hosts"][0], 7000)) as connection:
                    connection.sendall(me.encode())
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
    print(f"I am {me}", flush=True)
    data = ROOT / "input/data"
    report = {
        "met": sorted(met),
        "channels": {c.name: sorted(p.name for p in c.iterdir()) for c in data.iterdir()},
    }
    (ROOT / "model" / f"{config['hosts'].index(me)}.json").write_text(json.dumps(report))
    (ROOT / "model/shared").write_text("of all")


def fail_second() -> None:
    """Fail on the second host, while the first waits for ever."""
    config = json.loads((ROOT / "input/config/resourceconfig.json").read_text())
    if config["current_host"] == config["hosts"][0]:
        time.sleep(600)
    (ROOT / "output/failure").write_text("no rows on this host")
    sys.exit(3)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
