"""A request's operation and parameters."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ministack import app as ms
from ministack.core import iam_actions, responses

# Services whose operation is a method and a path, by their name in botocore. What AWS calls twice
# ("Lifecycle" and "LifecycleConfiguration") is one request; the newer name stands for both.
_REST = {"s3": "s3", "lambda": "lambda", "scheduler": "scheduler"}
_QUERY = {"cloudformation", "iam", "sns", "sts", "ec2", "monitoring"}
_OLD_NAMES = {
    "GetBucketLifecycle",
    "PutBucketLifecycle",
    "GetBucketNotification",
    "PutBucketNotification",
    "ListDirectoryBuckets",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request.

    Attributes:
        service: As ministack calls it, which is the name that requests are signed for.
        operation: As botocore names it; None if the service has none like it.
        parameters: What it is given, by botocore's names; of the query protocol, flat:
            `{"AlarmNames.member.1": "a"}`.
    """

    service: str
    operation: str | None
    parameters: Mapping[str, Any]
    headers: Mapping[str, str]
    body: bytes
    region: str
    account: str

    def values(self, name: str) -> list[str]:
        """The texts that a parameter gives: one, many, or, if it is absent, none.

        Args:
            name: Such as `Name`, `Names`, or, of a list of structures, `Entries.Source`.
        """
        found = self.parameters.get(name)
        if found is None and "." in name:
            head, _, rest = name.partition(".")
            members = self.parameters.get(head)
            if isinstance(members, Mapping):
                members = [members]
            found = [each.get(rest) for each in members or () if isinstance(each, Mapping)]
        if found is None:
            listed = re.compile(re.escape(name) + r"\.(member\.)?\d+")
            found = [self.parameters[key] for key in self.parameters if listed.fullmatch(key)]
        texts = found if isinstance(found, list) else [found]
        return [text for text in texts if isinstance(text, str) and text]


@dataclass(frozen=True, slots=True)
class _Route:
    method: str
    pattern: re.Pattern[str]
    query: Mapping[str, str]
    required: tuple[tuple[str, str], ...]
    operation: str
    body: bool  # whether a body is a document of parameters

    @property
    def rank(self) -> tuple[int, int]:
        """The more a route demands, the sooner it is the one."""
        return len(self.query) + len(self.required), len(self.pattern.pattern)


@cache
def _routes(service: str) -> tuple[_Route, ...]:
    """A REST service's operations, those first that demand most of a request."""
    model = iam_actions._load_botocore_model(_REST[service])
    routes = []
    for name, operation in model["operations"].items():
        if name in _OLD_NAMES:
            continue
        path, _, query = operation["http"]["requestUri"].partition("?")
        shape = model["shapes"].get(operation.get("input", {}).get("shape"), {})
        members = shape.get("members", {})
        required = tuple(
            (members[each]["location"], members[each]["locationName"])
            for each in shape.get("required", ())
            if members[each].get("location") in ("querystring", "header")
        )
        fixed = {key: value for key, _, value in (each.partition("=") for each in query.split("&"))}
        fixed.pop("", None)
        demands = (operation["http"]["method"], _path(path), fixed, required)
        routes.append(_Route(*demands, name, "payload" not in shape))
    return tuple(sorted(routes, key=lambda route: route.rank, reverse=True))


def _path(template: str) -> re.Pattern[str]:
    """A path's pattern; keys and ARNs have slashes, which arrive decoded."""

    def label(found: re.Match[str]) -> str:
        name = found[1].removesuffix("+")
        text = ".+" if name in ("Key", "Resource", "ResourceArn") else "[^/]+"
        return f"(?P<{name}>{text})"

    pattern = re.sub(r"{(\w+\+?)}", label, template.replace(".", r"\."))
    return re.compile(pattern + "/?", re.DOTALL)


def _rest(
    service: str,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    query: Mapping[str, Any],
) -> tuple[str | None, dict[str, Any]]:
    given = {"querystring": query, "header": headers}
    for route in _routes(service):
        matched = route.pattern.fullmatch(path) if route.method == method else None
        fits = matched is not None and (
            all(key in query and value in ("", *query[key]) for key, value in route.query.items())
            and all(name in given[place] for place, name in route.required)
        )
        if matched is not None and fits:
            document = _json(body) if route.body and service != "s3" else {}
            given_apart = {key: value[0] for key, value in query.items()}
            # What the path says is what is acted on, whatever else a request says.
            return route.operation, document | given_apart | matched.groupdict()
    return None, {}


def parse(
    service: str,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    query: Mapping[str, Any],
) -> Request:
    """What a request calls.

    Only the place counts where the service's protocol names its operation: a query string
    `?Action=` makes no other operation of a request to S3. One that names parameters in two places
    is none of any operation: who decides might read the one, and who acts the other.
    """
    operation: str | None = None
    parameters: dict[str, Any] = {}
    target = headers.get("x-amz-target", "")
    if service in _REST:
        operation, parameters = _rest(service, method, path, headers, body, query)
    elif any(not key.startswith("X-Amz-") for key in query):
        pass  # AWS's SDKs send neither JSON nor forms with a query
    elif target:
        operation, parameters = target.rpartition(".")[2], _json(body)
    elif service in _QUERY:
        form = ms._routing_params(method, path, dict(headers), body, {})
        parameters = {key: value[0] for key, value in form.items()}
        operation = parameters.get("Action")
    return Request(
        service=service,
        operation=operation,
        parameters=parameters,
        headers=headers,
        body=body,
        region=str(responses.get_region()),
        account=str(responses.get_account_id()),
    )


def _json(body: bytes) -> dict[str, Any]:
    try:
        return _mapping(json.loads(body))
    except ValueError:
        return {}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
