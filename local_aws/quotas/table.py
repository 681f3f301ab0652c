"""The quotas that the embedded AWS knows: AWS's names, codes and values."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_DATA = Path(__file__).with_name("table.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """One quota of an account in a Region.

    Attributes:
        service: Its service's code, such as `sagemaker`.
        name: AWS's name, such as `ml.m5.xlarge for endpoint usage`.
        code: AWS's code, such as `L-2F737F8D`; None if Service Quotas does not list it.
        default: AWS's default.
        established: What an account has that is in use for some time.
        new: What a new account has.
        applied: Whether AWS keeps a value of the account's before it was ever raised.
        adjustable: Whether AWS raises it for who asks.
        period: Whether it is of a second.
    """

    service: str
    name: str
    default: float
    established: float
    new: float
    code: str | None = None
    applied: bool = True
    adjustable: bool = True
    period: bool = False


@cache
def services() -> Mapping[str, str]:
    """The names of the services that there are quotas of, by their codes."""
    return dict(_document()["services"])


@cache
def quotas() -> tuple[Quota, ...]:
    """All quotas, by service and name."""
    listed = (
        _quota(service=service, name=name, **values)
        for service, named in _document()["quotas"].items()
        for name, values in named.items()
    )
    both = (*_instances(), *listed)
    return tuple(sorted(both, key=lambda quota: (quota.service, quota.name)))


@cache
def by_name() -> Mapping[tuple[str, str], Quota]:
    """Every quota by its service, and its name or its code."""
    named = {(quota.service, quota.name): quota for quota in quotas()}
    return named | {(quota.service, quota.code): quota for quota in quotas() if quota.code}


@cache
def _document() -> dict[str, Any]:
    return tomllib.loads(_DATA.read_text())


def _quota(*, default: float, **given: Any) -> Quota:
    return Quota(default=default, **{"established": default, "new": default, **given})


def _instances() -> Iterator[Quota]:
    listed = _document()["instances"]
    for kind, row in listed["types"].items():
        for usage, cell in zip(listed["usages"], row.split(), strict=True):
            if cell != "-":
                code, default, established = cell.split("/")
                yield _quota(
                    service="sagemaker",
                    code=code,
                    name=f"{kind} for {usage} usage",
                    default=float(default),
                    established=float(established),
                )
