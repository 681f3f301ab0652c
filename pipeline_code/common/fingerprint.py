"""Names a state of the raw data by what its listing shows.

The retraining Lambda computes the same for itself, because it ships without this package; a test
compares the two.
"""

import hashlib
from collections.abc import Iterable

__all__ = ["FINGERPRINTED_PREFIXES", "fingerprint"]

FINGERPRINTED_PREFIXES = ("transactions/", "fraud_reports/")


def fingerprint(objects: Iterable[tuple[str, str]]) -> str:
    """A hash over the keys and entity tags of the objects below `FINGERPRINTED_PREFIXES`.

    The tags may come with the quotes that S3 puts around them.
    """
    lines = sorted(f"{key} {etag.strip(chr(34))}\n" for key, etag in objects)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:32]
