"""EventBridge events of the project's own: who sends them, and what they say."""

__all__ = [
    "BATCH_VIOLATIONS",
    "MONITOR_SOURCE",
    "OPERATIONS_SOURCE",
    "PASSED",
    "RETRAINING_REQUESTED",
    "RETRAINING_RESUMED",
    "VIOLATIONS",
]

MONITOR_SOURCE = "fraudloop.monitor"
VIOLATIONS = "Monitoring Violations Found"
PASSED = "Monitoring Passed"
BATCH_VIOLATIONS = "Batch Violations Found"

OPERATIONS_SOURCE = "fraudloop.operations"
RETRAINING_REQUESTED = "Retraining Requested"
RETRAINING_RESUMED = "Retraining Resumed"
