"""The runbooks of the monitors' alarms: the meaning, what to look at first, what to do.

CloudWatch shows a description with its alarm and sends it along; it takes 1,024 characters.
"""

from __future__ import annotations

from typing import Final

from pipeline_code.contracts.monitoring import MonitorKind

__all__ = ["FAILED", "IMMATURE", "MISSING", "MISSING_LABELS", "STALE", "VIOLATIONS"]

VIOLATIONS: Final = {
    MonitorKind.DATA_QUALITY: (
        "The traffic's features have drifted from what the deployed model learned from, or some "
        "are missing or of the wrong type. First: `fraudloop drift --kind data-quality` and its "
        "page. A feature that is null or constant is broken: look at what sends it, and at "
        "`fraudloop parity`; do not retrain on it. If customers have changed, retraining has begun "
        "by itself: `fraudloop retraining status` shows it."
    ),
    MonitorKind.MODEL_QUALITY: (
        "Scores are worse, against fraud reports that have come by now, than when the model was "
        "evaluated. First: `fraudloop drift --kind model-quality` and its page, then the data "
        "quality of the same days. With stable inputs, fraud itself has changed: retraining has "
        "begun by itself. If a version was just deployed, compare it: `fraudloop compare`, and "
        "`fraudloop rollback --reason ...` if the one before was better."
    ),
    MonitorKind.BIAS: (
        "The model treats segments of customers more differently than when it was evaluated. "
        "First: `fraudloop drift --kind bias`, whose page names segment and measure. Nothing is "
        "retrained for it: a model that learns from the same data treats them alike again. Have "
        "the risk team decide: raise the thresholds, or `fraudloop rollback --reason ...`."
    ),
    MonitorKind.ATTRIBUTION: (
        "The model decides by other features than when it was evaluated, often before its quality "
        "shows it. First: `fraudloop drift --kind attribution`, whose page ranks the features, "
        "then the data quality of those that have moved. Retraining has begun by itself."
    ),
}
MISSING: Final = (
    "No record was analyzed by the monitor of {kind} for {time}. That is no news, not good news. "
    "First: `fraudloop drift --kind {kind}`: it fails for the reason, or finds records, and then "
    "the schedule {name} does not start. Is the endpoint asked and does it capture: `fraudloop "
    "status`? Is there a baseline of the deployed version: the reason says if not, and a newly "
    "trained version brings one. On the first day after the first deployment this alarm ends by "
    "itself with the first analysis."
)
FAILED: Final = (
    "An analysis failed, and failed again when it was repeated: nobody knows whether anything "
    "drifted. First: the newest line `given up` in the log of {function}, which says which job, of "
    "which monitor, and why. A capture that cannot be read is named with its file: move it away. A "
    "missing baseline: deploy a version that was trained since. Then `fraudloop drift --kind ...` "
    "runs the analysis anew."
)
MISSING_LABELS: Final = (
    "No fraud reports were joined with predictions for {days} days, so that model quality and bias "
    "have no new labels. First: `fraudloop drift --kind model-quality`, which brings the labels "
    "before it analyzes, and fails for the reason if that cannot be done. A capture or a file of "
    "the lake that cannot be read is named: move it away. If it succeeds, the schedule of the "
    "pipeline {labels} does not start. On the first day after the first deployment this alarm ends "
    "by itself with the first run."
)
IMMATURE: Final = (
    "For a week, less than {percent} % of the predictions were old enough to be judged, so that "
    "model quality and bias say little. First: `fraudloop drift --kind model-quality`, which says "
    "how many predictions wait. Do transactions and fraud reports still land in the lake? Labels "
    "wait {days} days after the newest of them, so that a lake that stands still matures nothing: "
    "see the alarms of the streaming stack, and ingest what is missing with `fraudloop ingest`. In "
    "the first days after the first deployment nothing is old enough; then this ends by itself."
)
STALE: Final = (
    "The deployed model was registered more than {days} days ago. First: `fraudloop models` and "
    "`fraudloop status`: has retraining stopped, does the gate refuse what is trained, or does an "
    "approval wait? Then `fraudloop train`, or approve."
)
