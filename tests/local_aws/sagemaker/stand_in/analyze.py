"""Counts captured lines below `dataset_source`, and reports as many violations as it is told to."""

import json
import os
import sys
from pathlib import Path

settings = dict(os.environ)  # Model Monitor spells its variables in lower case
root = Path(settings.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


def local(path: str) -> Path:
    return root / Path(path).relative_to("/opt/ml")


captured = sorted(local(settings["dataset_source"]).rglob("*.jsonl"))
results = local(settings["output_path"])
results.mkdir(parents=True, exist_ok=True)
seen = {
    "lines": sum(len(path.read_text().splitlines()) for path in captured),
    "baseline": json.loads(local(settings["baseline_constraints"]).read_text()),
    "path": str(captured[0].relative_to(root)),
    "environment": {name: value for name, value in settings.items() if name.islower()},
}
(results / "seen.json").write_text(json.dumps(seen))
violations = [{"feature_name": "x"}] * int(settings["VIOLATIONS"])
(results / "constraint_violations.json").write_text(json.dumps({"violations": violations}))
if settings["VIOLATIONS"] == "99":
    sys.exit("broken analyzer")
