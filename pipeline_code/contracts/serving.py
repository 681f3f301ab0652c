"""The contract between the server and its callers, and readers of its captures."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

__all__ = [
    "ATTRIBUTES_HEADER",
    "CAPTURE_CONTRACT",
    "CSV",
    "JSON",
    "JSON_LINES",
    "LONGEST_CACHE_SECONDS",
    "MEDIA_TYPES",
    "MOST_FEATURE_ROWS",
    "MOST_TRANSACTIONS",
    "PARQUET",
    "TRANSACTION_FIELDS",
    "Decision",
    "Reason",
]

# Changes whenever readers of captures, the monitor and the parity audit, must read them in another
# way. A package is registered with it, so that no model is deployed before readers of another one.
CAPTURE_CONTRACT = "1"

JSON = "application/json"
JSON_LINES = "application/jsonlines"
CSV = "text/csv"
PARQUET = "application/x-parquet"
MEDIA_TYPES = (JSON, JSON_LINES, CSV, PARQUET)

# SageMaker hands InvokeEndpoint's CustomAttributes on in this header.
ATTRIBUTES_HEADER = "x-amzn-sagemaker-custom-attributes"

TRANSACTION_FIELDS = ("transaction_id", "event_time", "customer_id", "terminal_id", "amount")
# Ten reads of the online store, and about as much time as a caller may wait.
MOST_TRANSACTIONS = 1_000
# The parity audit takes what was put within five seconds of a request for read or for not read
# (`pipeline_code.parity.history`): an older cache would look like a defect to it.
LONGEST_CACHE_SECONDS = 3.0
# As many as fill batch transform's largest body with text; Parquet of few bytes may claim more.
MOST_FEATURE_ROWS = 1_000_000


class Decision(StrEnum):
    """What is to become of a transaction."""

    APPROVE = "approve"
    REVIEW = "review"
    DECLINE = "decline"


class Reason(StrEnum):
    """Why a response is degraded: features are those of somebody of whom nothing is known."""

    CUSTOMER_UNKNOWN = "customer_unknown"
    TERMINAL_UNKNOWN = "terminal_unknown"
    STATE_UNREADABLE = "state_unreadable"
    STORE_UNAVAILABLE = "store_unavailable"
    STORE_TIMEOUT = "store_timeout"

    @property
    def meaning(self) -> str:
        """The reason in words."""
        return _MEANINGS[self]


_MEANINGS: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.CUSTOMER_UNKNOWN: "the store has no state of the customer",
        Reason.TERMINAL_UNKNOWN: "the store has no state of the terminal",
        Reason.STATE_UNREADABLE: "a state is damaged or was written by another version",
        Reason.STORE_UNAVAILABLE: "the store refuses, fails, or was not asked as it just failed",
        Reason.STORE_TIMEOUT: "the store took longer than the budget",
    }
)
