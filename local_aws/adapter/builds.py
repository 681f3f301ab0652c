"""CodeBuild's builds as ministack keeps them: each has succeeded when StartBuild answers."""

import json
import time
from typing import Any

from ministack.core import responses
from ministack.services import codebuild

# StartBuild: "The token is included in the StartBuild request and is valid for 5 minutes."
_TOKEN_SECONDS = 300.0


def start_builds_once() -> None:
    """Let StartBuild know its idempotency tokens, and builds the variables they were given."""
    inner = codebuild._start_build
    started: dict[tuple[str, str, str], tuple[float, dict[str, Any], str]] = {}

    def start(data: dict[str, Any]) -> Any:
        token = data.get("idempotencyToken")
        key = (responses.get_account_id(), responses.get_region(), str(token))
        at, request, build_id = started.get(key, (float("-inf"), {}, ""))
        if token is not None and time.monotonic() - at < _TOKEN_SECONDS:
            if data != request:
                reason = "Request parameters do not match the previous request with this token"
                return responses.error_response_json("InvalidInputException", reason, 400)
            return responses.json_response({"build": codebuild._builds[build_id]})
        status, headers, body = inner(data)
        if status != 200:  # noqa: PLR2004 - HTTP's
            return status, headers, body
        build = codebuild._builds[json.loads(body)["build"]["id"]]
        build["environment"] = _overridden(build["environment"], data)
        if token is not None:
            started[key] = (time.monotonic(), data, build["id"])
        return responses.json_response({"build": build})

    codebuild._start_build = start


def project_role(name: str) -> str | None:
    """The role of a project; None if there is no such project."""
    project = codebuild._projects.get(name)
    return None if project is None else str(project["serviceRole"])


def _overridden(environment: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    given = data.get("environmentVariablesOverride", [])
    variables = {each["name"]: each for each in environment.get("environmentVariables", [])}
    variables |= {each["name"]: each for each in given}
    return environment | {"environmentVariables": list(variables.values())}
