"""An account's values of quotas: a file that is given, and what is kept of it.

account = "new"              # or "established", as it is without the line
[sagemaker]
"ml.c6i.large for endpoint usage" = 2
L-CCE2AFA6 = 0               # ml.m5.xlarge for training job usage
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from local_aws.errors import QuotasError
from local_aws.quotas import table
from local_aws.quotas.table import Quota

ACCOUNTS = ("established", "new")
_MOST = 10_000_000_000  # of Service Quotas' QuotaValue

Document = Mapping[str, Any]


def read(path: Path) -> Document:
    """What a TOML or JSON file says, checked.

    Raises:
        QuotasError: If it cannot be read, or names or gives what there is not.
    """
    try:
        text = path.read_text()
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise QuotasError(f"quotas must be a TOML or JSON file, got {path}: {error}") from error
    try:
        changes(document)
    except QuotasError as error:
        raise QuotasError(f"{path}: {error}") from None
    return dict(document)


def changed(given: Path | None, kept: Path) -> str | None:
    """What is to be kept of a file that is given; None if it is kept already, or none is given.

    Raises:
        QuotasError: If the file cannot be read, or says what cannot be.
    """
    if given is None:
        return None
    text = json.dumps(read(given))
    return None if text == (kept.read_text() if kept.exists() else "{}") else text


def of(document: Document) -> dict[Quota, float]:
    """The value of every quota in an account."""
    member = document.get("account", ACCOUNTS[0])
    return {quota: getattr(quota, member) for quota in table.quotas()} | changes(document)


def changes(document: Document) -> dict[Quota, float]:
    """The values that a document gives one by one.

    Raises:
        QuotasError: If it names or gives what there is not.
    """
    if not isinstance(document, Mapping):
        raise QuotasError(f"quotas must be tables by service, got {document!r}")
    if (account := document.get("account", ACCOUNTS[0])) not in ACCOUNTS:
        raise QuotasError(f"account must be {' or '.join(ACCOUNTS)}, got {account!r}")
    return dict(_changes({name: of for name, of in document.items() if name != "account"}))


def _changes(services: Document) -> Iterator[tuple[Quota, float]]:
    for service, named in services.items():
        if service not in table.services() or not isinstance(named, Mapping):
            known = ", ".join(table.services())
            raise QuotasError(f"a table of quotas must be one of {known}, got {service!r}")
        for name, value in named.items():
            quota = table.by_name().get((service, name))
            if quota is None:
                raise QuotasError(f"{service} has no quota {name!r}{_instead(service, name)}")
            if type(value) not in (int, float) or not 0 <= value <= _MOST:
                raise QuotasError(
                    f"{name!r} of {service} must be a number from 0 to {_MOST}, got {value!r}"
                )
            yield quota, float(value)


def _instead(service: str, name: str) -> str:
    known = [given for of, given in table.by_name() if of == service]
    close = get_close_matches(name, known, n=1)
    near = f"; did you mean {close[0]!r}?" if close else ""
    return f"{near}; local_aws/quotas/table.toml lists them by AWS's names and codes"
