"""A tiny analyzer: `python analyses.py` finds what its baseline tells it to find."""

import json
import os
import sys
from pathlib import Path

ROOT = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


def local(path: str) -> Path:
    return ROOT / Path(path).relative_to("/opt/ml")


given = dict(os.environ)  # Model Monitor spells its variables in lower case
told = json.loads(local(given["baseline_constraints"]).read_text())
if "failure" in told:
    (ROOT / "output").mkdir(exist_ok=True)
    (ROOT / "output" / "message").write_text(told["failure"])
    sys.exit(1)
results = local(given["output_path"])
results.mkdir(parents=True, exist_ok=True)
seen = {name: given.get(name) for name in ("LOOK_BACK_HOURS", "start_time", "end_time")}
(results / "seen.json").write_text(json.dumps(seen))
for name, document in told.items():
    (results / name).write_text(document if name.endswith("html") else json.dumps(document))
