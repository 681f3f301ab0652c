"""Tiny entry points that the tests run as jobs: `python entries.py copy`.

SageMaker allows 256 characters a word, so they cannot be given as `python -c` in the request.
"""

import json
import os
import sys
import time
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


def refuse() -> None:
    """Fail with a message, as a check step does."""
    (ROOT / "output/message").write_text("transactions/a.parquet row 3: amount must be positive")
    sys.exit(1)


def sleep() -> None:
    """Run until stopped."""
    print("up", flush=True)
    time.sleep(600)


def measure() -> None:
    """Write the number that is its first argument as a metric."""
    metrics = {"metrics": {"value": float(sys.argv[2])}, "reason": f"value is {sys.argv[2]}"}
    (ROOT / "processing/output/report/report.json").write_text(json.dumps(metrics))


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


if __name__ == "__main__":
    globals()[sys.argv[1]]()
