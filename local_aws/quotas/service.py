"""The Service Quotas API: what AWS's defaults are, and what the account has.

Values change as the embedded AWS is started (`--quotas`): AWS grants no increase at once either.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local_aws import adapter
from local_aws.guesses import Guess, guessed
from local_aws.quotas import limits, table
from local_aws.quotas.table import Quota

_PAGE = 100
_LISTED = tuple(quota for quota in table.quotas() if quota.code is not None)

Request = Mapping[str, Any]


class QuotasApiError(Exception):
    """A response other than success: AWS's code, and its words."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


def install() -> None:
    """Register the service."""
    adapter.register_service(
        "servicequotas",
        _handle_request,
        target_prefixes=["ServiceQuotasV20190624."],
        checks_itself=False,
    )


async def _handle_request(
    _method: str, _path: str, headers: dict[str, str], body: bytes, _query: dict[str, Any]
) -> adapter.Reply:
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    try:
        status, answer = 200, _OPERATIONS[operation](json.loads(body or b"{}"))
    except QuotasApiError as error:
        status, answer = 400, {"__type": error.code, "Message": str(error)}
    return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(answer).encode()


def _list_services(request: Request) -> dict[str, Any]:
    named = [{"ServiceCode": k, "ServiceName": v} for k, v in sorted(table.services().items())]
    return _page(named, request, "Services")


def _list_defaults(request: Request) -> dict[str, Any]:
    return _page([_default(quota) for quota in _of_service(request)], request, "Quotas")


def _list_applied(request: Request) -> dict[str, Any]:
    code, level = request.get("QuotaCode"), request.get("QuotaAppliedAtLevel", "ACCOUNT")
    found = [
        _applied(quota)
        for quota in _of_service(request)
        if limits.is_applied(quota) and code in (None, quota.code) and level != "RESOURCE"
    ]
    return _page(found, request, "Quotas")


def _get_default(request: Request) -> dict[str, Any]:
    return {"Quota": _default(_named(request))}


def _get_applied(request: Request) -> dict[str, Any]:
    quota = _named(request)
    if "ContextId" in request:  # aws-cli #8584
        raise _no_such("applied value for the specified context Id do not exist.")
    if not limits.is_applied(quota):
        raise _no_such(guessed("there is no applied value of the quota.", Guess.WORDS))
    return {"Quota": _applied(quota)}


_OPERATIONS: Mapping[str, Callable[[Request], dict[str, Any]]] = {
    "GetAWSDefaultServiceQuota": _get_default,
    "GetServiceQuota": _get_applied,
    "ListAWSDefaultServiceQuotas": _list_defaults,
    "ListServiceQuotas": _list_applied,
    "ListServices": _list_services,
}


def _of_service(request: Request) -> list[Quota]:
    if (service := request["ServiceCode"]) not in table.services():
        raise _no_such("the specified service does not exist.")  # aws-cli #4569
    return [quota for quota in _LISTED if quota.service == service]


def _named(request: Request) -> Quota:
    code = request["QuotaCode"]
    found = next((quota for quota in _of_service(request) if quota.code == code), None)
    if found is None:
        raise _no_such(guessed("the specified quota does not exist.", Guess.WORDS))
    return found


def _no_such(what: str) -> QuotasApiError:
    return QuotasApiError("NoSuchResourceException", f"The request failed because {what}")


def _default(quota: Quota) -> dict[str, Any]:
    """Of nobody: its ARN has no account (terraform-provider-aws #13075)."""
    return _described(quota, quota.default, "")


def _applied(quota: Quota) -> dict[str, Any]:
    account = adapter.current_account()
    described = _described(quota, limits.value(quota), account)
    return described | {"QuotaAppliedAtLevel": "ACCOUNT"}


def _described(quota: Quota, value: float, account: str) -> dict[str, Any]:
    place = f"arn:aws:servicequotas:{adapter.current_region()}:{account}"
    period = {"Period": {"PeriodValue": 1, "PeriodUnit": "SECOND"}} if quota.period else {}
    return {
        "ServiceCode": quota.service,
        "ServiceName": table.services()[quota.service],
        "QuotaArn": f"{place}:{quota.service}/{quota.code}",
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": value,
        "Unit": "None",
        "Adjustable": quota.adjustable,
        "GlobalQuota": False,
        **period,
    }


def _page(items: Sequence[Any], request: Request, member: str) -> dict[str, Any]:
    start = _offset(request.get("NextToken"))
    end = start + int(request.get("MaxResults", _PAGE))
    more = {"NextToken": base64.b64encode(f"from:{end}".encode()).decode()}
    return {member: items[start:end], **(more if end < len(items) else {})}


def _offset(token: str | None) -> int:
    if token is None:
        return 0
    try:
        kind, _, offset = base64.b64decode(token, validate=True).decode().partition(":")
        if kind == "from" and offset.isdecimal():
            return int(offset)
    except (binascii.Error, UnicodeDecodeError):
        pass
    words = guessed("NextToken is none that a response gave.", Guess.WORDS)
    raise QuotasApiError("InvalidPaginationTokenException", words)
