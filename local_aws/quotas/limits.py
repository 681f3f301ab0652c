"""The values of quotas that hold in this process."""

import json
from pathlib import Path

from local_aws.quotas import table, values
from local_aws.quotas.table import Quota

_values: dict[Quota, float] = {}
_raised: set[Quota] = set()


def use(document: values.Document) -> None:
    """Let an account's values hold from now on."""
    _values.update(values.of(document))
    _raised.clear()
    _raised.update(values.changes(document))


def load(path: Path) -> None:
    """Let the values hold that were kept in a file; without one, an established account's."""
    use(json.loads(path.read_text()) if path.exists() else {})


def limit(service: str, name: str) -> float | None:
    """How much of something the account may have; None if nothing says so."""
    quota = table.by_name().get((service, name))
    return None if quota is None else value(quota)


def value(quota: Quota) -> float:
    """The value of a quota that holds."""
    return _values.get(quota, quota.established)


def is_applied(quota: Quota) -> bool:
    """Whether AWS keeps a value of the account's, beside its default."""
    return quota.applied or quota in _raised
