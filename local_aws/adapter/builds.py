"""CodeBuild's builds as ministack keeps them: each has ended when StartBuild answers.

Nothing is built. What a build asks for as its role is asked: for its log and its source (CodeBuild
User Guide, "Allow CodeBuild to interact with other AWS services"), and of one that is told a
REPOSITORY_URI, as the guide's "Docker in custom image sample" is, for a push there (ECR User Guide,
"IAM permissions for pushing an image").
"""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from ministack.core import responses
from ministack.services import codebuild, s3
from ministack.services.cloudformation import provisioners

from local_aws.adapter.identity.actors import Role

# StartBuild: "The token is included in the StartBuild request and is valid for 5 minutes."
_TOKEN_SECONDS = 300.0
_VARIABLES = "environmentVariables"
# (the build's variables, the archive of its source)
Built = Callable[[dict[str, str], bytes], None]
_built: list[Built] = []
_PUSHING = (
    *("BatchCheckLayerAvailability", "BatchGetImage", "CompleteLayerUpload"),
    *("GetDownloadUrlForLayer", "InitiateLayerUpload", "PutImage", "UploadLayerPart"),
)


def keep_logs() -> None:
    """Let projects of templates have their log, which ministack's provisioner leaves out."""
    handler = provisioners._RESOURCE_HANDLERS["AWS::CodeBuild::Project"]

    def keeping(inner: Callable[..., Any], place: int) -> Callable[..., Any]:
        def provision(*arguments: Any) -> Any:
            made = inner(*arguments)
            logs = arguments[place].get("LogsConfig", {})
            codebuild._projects[made[0]]["logsConfig"] = provisioners._codebuild_cfn_to_api(logs)
            return made

        return provision

    handler["create"] = keeping(handler["create"], 1)
    handler["update"] = keeping(handler["update"], 2)


def after_build(built: Built) -> None:
    """Have a function called with each build of an archive in S3 that has succeeded."""
    _built.append(built)


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
        project = codebuild._projects[build["projectName"]]
        _run_as_role(build, project)
        _tell(build, project["source"])
        if token is not None:
            started[key] = (time.monotonic(), data, build["id"])
        return responses.json_response({"build": build})

    codebuild._start_build = start


def _tell(build: dict[str, Any], source: dict[str, Any]) -> None:
    if build["buildStatus"] != "SUCCEEDED" or source["type"] != "S3":
        return
    bucket, _, key = str(source["location"]).partition("/")
    archive = bytes(s3._get_object_data(bucket, key) or b"")
    for built in _built:
        built(_variables(build), archive)


def _run_as_role(build: dict[str, Any], project: dict[str, Any]) -> None:
    """Fail a build whose role may not do what it takes."""
    role = Role(arn=str(project["serviceRole"]), session=f"AWSCodeBuild-{build['id'][-36:]}")
    for phase, action, resource in _needs(build, project):
        if (denied := role.denied(action, resource)) is not None:
            build["buildStatus"] = "FAILED"
            context = {"statusCode": "CLIENT_ERROR", "message": denied}
            build["phases"] = [{"phaseType": phase, "phaseStatus": "FAILED", "contexts": [context]}]
            return


def _needs(build: dict[str, Any], project: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    place = f"{responses.get_region()}:{responses.get_account_id()}"
    group = project.get("logsConfig", {}).get("cloudWatchLogs", {}).get("groupName")
    log = f"arn:aws:logs:{place}:log-group:{group or '/aws/codebuild/' + project['name']}"
    if group is None:
        yield "PROVISIONING", "logs:CreateLogGroup", log
    stream = f"{log}:log-stream:{build['id'].rpartition(':')[2]}"
    yield "PROVISIONING", "logs:CreateLogStream", stream
    yield "PROVISIONING", "logs:PutLogEvents", stream
    if project["source"]["type"] == "S3":
        for action in ("s3:GetObject", "s3:GetObjectVersion"):
            yield "DOWNLOAD_SOURCE", action, f"arn:aws:s3:::{project['source']['location']}"
    variables = _variables(build)
    if (repository := variables.get("REPOSITORY_URI")) is not None:
        yield "BUILD", "ecr:GetAuthorizationToken", "*"
        for action in _PUSHING:
            name = repository.partition("/")[2]
            yield "BUILD", f"ecr:{action}", f"arn:aws:ecr:{place}:repository/{name}"


def _variables(build: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in build["environment"][_VARIABLES]}


def environment(name: str) -> dict[str, Any] | None:
    """The environment of a project; None if there is no such project."""
    project = codebuild._projects.get(name)
    return None if project is None else dict(project["environment"])


def in_progress() -> int:
    """How many builds run."""
    return sum(build["buildStatus"] == "IN_PROGRESS" for build in codebuild._builds.values())


def project_role(name: str) -> str | None:
    """The role of a project; None if there is no such project."""
    project = codebuild._projects.get(name)
    return None if project is None else str(project["serviceRole"])


def _overridden(environment: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    given = data.get("environmentVariablesOverride", [])
    variables = {each["name"]: each for each in environment.get(_VARIABLES, [])}
    variables |= {each["name"]: each for each in given}
    return environment | {_VARIABLES: list(variables.values())}
