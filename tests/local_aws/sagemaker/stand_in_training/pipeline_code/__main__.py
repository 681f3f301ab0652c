"""A training job whose objective is a known function of its hyperparameters.

`x` is best at 0.3, `kind` at `a`, `level` adds itself. It prints the objective after each of
`epochs`, `pause` seconds apart; `fail` makes it fail, `silent` makes it print nothing.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

# As process 1 it ends by a handler, or not at all.
signal.signal(signal.SIGTERM, lambda *_: os._exit(143))


def main() -> None:
    root = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    given = json.loads((root / "input/config/hyperparameters.json").read_text())
    if sys.argv[1:] != ["train"] or given["_tuning_objective_metric"] != "score":
        sys.exit("not started as a training job of a tuning job")
    if "fail" in given:
        (root / "output/failure").write_text(given["fail"])
        sys.exit(1)
    score = 1 - (float(given.get("x", "0.3")) - 0.3) ** 2 - 0.5 * (given.get("kind", "a") != "a")
    score += float(given.get("level", "0"))
    epochs = int(given.get("epochs", "3"))
    for epoch in range(1, epochs + 1):
        if "silent" not in given:
            print(json.dumps({"round": epoch, "score": score * epoch / epochs}), flush=True)
        time.sleep(float(given.get("pause", "0")))
    (root / "model/model.json").write_text(json.dumps(given))


main()
