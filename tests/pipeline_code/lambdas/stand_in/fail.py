"""A job that fails unless its name ends as it is told; of that, it knows its ARN."""

import json
import os
import sys
from pathlib import Path

root = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
config = json.loads((root / "config" / "processingjobconfig.json").read_text())
if not config["ProcessingJobArn"].endswith(os.environ["HEALED_BY"]):
    (root / "output").mkdir(exist_ok=True)
    (root / "output" / "message").write_text("monitor: half a line in captures.jsonl")
    sys.exit(1)
