"""The requests that the embedded AWS serves; what nobody has checked, it refuses.

ministack answers thousands of operations of dozens of services, most of them more leniently than
AWS. `operations.toml` lists those that this project has checked, and what IAM is asked of each.
"""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from local_aws import adapter
from local_aws.adapter.creations import CreationRequest
from local_aws.adapter.operations import Check, Refusal, decide_requests
from local_aws.adapter.requests import Request
from local_aws.policies import passed_roles
from local_aws.requests import shapes as request_shapes
from local_aws.requests.names import NAMES, QUALIFIED
from local_aws.settings import DEFAULT_REGION, REGION

DATA = Path(__file__).parents[1] / "operations.toml"
# By the name that requests are signed for: IAM's prefix, where it is another.
PREFIXES = {"monitoring": "cloudwatch", "tagging": "tag"}
# Operations that IAM knows by another name (Service Authorization Reference).
ACTIONS = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "sns:PublishBatch": "sns:Publish",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
}
# Parameters that name the account that AWS is to find something in.
OWN_ACCOUNT = (
    "CatalogId",
    "ExpectedBucketOwner",
    "ExpectedSourceBucketOwner",
    "registryId",
)
# Where a request to S3 has them: a header, or a presigned URL's query.
_CREDENTIALS = {"authorization", "X-Amz-Algorithm", "AWSAccessKeyId"}
_PASSED = "iam:PassedToService"
_PLACE = re.compile(r"{([\w.|]+)(\?|=[^}]*)?}")


def install() -> None:
    """Refuse what is not listed, and authorize what is."""
    decide_requests(refusal, checks, _refused_parameters)


@cache
def operations() -> dict[str, dict[str, Any]]:
    """By service, the operations and the resources that IAM is asked about."""
    found: dict[str, dict[str, Any]] = tomllib.loads(DATA.read_text())
    return found


def refusal(request: Request) -> Refusal | None:
    """Why a request is not served at all, or None."""
    service, operation = request.service, request.operation
    if service in adapter.own_services() or operation in operations().get(service, {}):
        return _misdirected(request)
    words = f"{service}:{operation or 'this request'} is not supported by the embedded AWS"
    more = "; local_aws/README.md lists what is"
    if service == "s3":
        return Refusal("NotImplemented", words + more, 501)
    json = "x-amz-target" in request.headers
    return Refusal("UnknownOperationException" if json else "InvalidAction", words + more, 400)


def _misdirected(request: Request) -> Refusal | None:
    """A request must be signed, and for the service and the Region that it goes to.

    No bucket is open to all: new ones block it (S3 User Guide, "Blocking public access"), and this
    project opens none.

    "Credential should be scoped to correct service: 'service'" (IAM User Guide, "Troubleshoot
    signed requests for AWS APIs").
    """
    if request.service == "s3" and not (_CREDENTIALS & {*request.headers, *request.parameters}):
        return Refusal("AccessDenied", "Access Denied", 403)
    found = re.search(
        r"Credential=[^/]+/[^/]+/([^/]+)/([^/,]+)/aws4_request",
        request.headers.get("authorization", ""),
    )
    if found is None:
        return None
    region, service = found.groups()
    code = (
        "SignatureDoesNotMatch" if "Action" in request.parameters else "InvalidSignatureException"
    )
    if service != request.service:
        words = f"Credential should be scoped to correct service: '{request.service}'."
        return Refusal(code, words, 403)
    # IAM and STS have one endpoint for all Regions, of us-east-1 (General Reference).
    if region == REGION or (service in ("iam", "sts") and region == DEFAULT_REGION):
        return None
    if service == "s3":
        words = f"the region '{region}' is wrong; expecting '{REGION}'"
        malformed = f"The authorization header is malformed; {words}"
        return Refusal("AuthorizationHeaderMalformed", malformed, 400)
    # aws-sdk-java #1097, api #27 of cognitect-labs, aws-sdk-js #4545.
    return Refusal(code, f"Credential should be scoped to a valid region, not '{region}'. ", 403)


def _refused_parameters(request: Request) -> Refusal | None:
    """Why a request is refused for what it gives, or None."""
    place = f"{request.service}:{request.operation}"
    for name in operations()["unread"].get(place, ()):
        if _gives(request, name):
            words = f"{name} of {place} is not supported by the embedded AWS; leave it out"
            return Refusal(request_shapes.code(request.service), words, 400)
    for name in OWN_ACCOUNT:
        if (given := _gives(request, name)) and given != request.account:
            # "If the bucket is owned by a different account, the request fails with the HTTP
            # status code 403 Forbidden (access denied)" (S3); of others nothing is known here.
            words = f"{name} must be {request.account}, got {given}; there is no other account"
            code = "AccessDenied" if request.service == "s3" else "AccessDeniedException"
            return Refusal(code, words, 403)
    return request_shapes.refusal(request)


def _gives(request: Request, name: str) -> Any:
    """A parameter's value, or whether there is one if it has parts; falsy if it is not given."""
    shape = request_shapes.input_shape(request.service, request.operation)
    member = shape.members.get(name) if shape is not None else None
    if member is None:
        return None
    wire = str(member.serialization.get("name", name))
    if member.serialization.get("location") == "header":
        return request.headers.get(wire.lower())
    return request.parameters.get(wire) or any(
        key.startswith(f"{wire}.") for key in request.parameters
    )


def checks(request: Request) -> list[Check] | None:
    """Every action and resource that a request takes; None if ministack asks IAM itself."""
    forms = operations().get(request.service, {}).get(request.operation or "", "")
    if not forms:
        return None
    action = action_of(request.service, str(request.operation))
    listed = [forms] if isinstance(forms, str) else forms
    resources = [arn for form in listed for arn in _resources(request, form)]
    keys = _keys(request, action)
    actions = [action, *_also(request, action)]
    found = [Check(each, arn, keys) for each in actions for arn in dict.fromkeys(resources)]
    asked = CreationRequest(action=action, document=request.parameters, name="", actor=None)
    passed = passed_roles.passed(asked)
    return [*found, *(Check("iam:PassRole", role, {_PASSED: service}) for role, service in passed)]


def _also(request: Request, action: str) -> list[str]:
    """What else a request takes, such as the permission to tag what it makes."""
    parameter, also = operations()["also"].get(action, ("", ""))
    given = any(
        name == parameter or name.startswith(f"{parameter}.")
        for name, value in request.parameters.items()
        if value
    )
    return [also] if also and given else []


def _keys(request: Request, action: str) -> dict[str, str]:
    """The condition keys whose values the request's parameters are."""
    prefix, _, name = action.partition(":")
    found = {}
    for key, known in operations()["keys"].items():
        value = request.parameters.get(known["of"])
        if key.startswith(f"{prefix}:") and name in known["in"] and value is not None:
            found[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return found


def action_of(service: str, operation: str) -> str:
    """IAM's action of an operation."""
    action = f"{PREFIXES.get(service, service)}:{operation}"
    return ACTIONS.get(action, action)


def _resources(request: Request, form: str) -> Iterator[str]:
    """The ARNs of a form such as `parameter/{Names}`."""
    if form == "*":
        yield "*"
        return
    prefix = PREFIXES.get(request.service, request.service)
    place = f"arn:aws:{prefix}:{request.region}:{request.account}:"
    if prefix == "iam":
        place = f"arn:aws:iam::{request.account}:"
    form = form.replace("{account}", request.account)
    places = list(_PLACE.finditer(form))
    given = [_given(request, place[1], place[2]) for place in places]
    for values in product(*given):
        text, after = "", 0
        for found, value in zip(places, values, strict=True):
            text += form[after : found.start()] + value
            # Where an ARN is given, that is the resource.
            text = value.removesuffix(":*") if value.startswith("arn:") else text
            after = found.end()
        text += form[after:]
        yield text if text.startswith("arn:") or text == "*" else place + text
    if not all(given):
        # The service refuses what lacks a parameter; until then, only `*` allows it.
        yield "*"


def _given(request: Request, names: str, rest: str | None) -> list[str]:
    for name in names.split("|"):
        convert = NAMES.get((request.service, name))
        values = request.values(name)
        found = values if convert is None else convert(request, values)
        if found:
            return found
    if rest is None:
        return []
    default = rest.lstrip("?=")
    return [default] if (request.service, default) not in QUALIFIED else [f"{default}/*"]
