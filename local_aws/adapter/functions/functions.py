"""Lambda functions whose code is a container image, and how functions fail."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core import lambda_runtime, responses
from ministack.services import ecr, lambda_svc
from ministack.services.cloudformation import provisioners

from local_aws.adapter.compatibility import IncompatibleEmulatorError

Configuration = dict[str, Any]
# (image URI, or None if it stays; ImageConfig, or None if it stays) to the reason not to take it.
Refusal = Callable[[str | None, Configuration | None], str | None]
_PACKAGE = "Image"
_FUNCTION = "AWS::Lambda::Function"


def repository_exists(name: str) -> bool:
    """Whether ECR has a repository, in the current account and region."""
    return name in ecr._repositories


def let_lambda_pull(name: str, statement: Mapping[str, Any]) -> None:
    """Add a statement to the policy of a repository."""
    policy = json.loads(ecr._repo_policies.get(name) or '{"Version": "2012-10-17"}')
    policy["Statement"] = [*policy.get("Statement", ()), statement]
    ecr._repo_policies[name] = json.dumps(policy)


def run_image_functions(refusal: Refusal, local: Callable[[Configuration], Configuration]) -> None:
    """Run functions of images as worker processes, as ministack runs those of archives.

    Args:
        refusal: Asked before a function is created or updated, by the API or by a template.
        local: From a function's configuration to that of the Python function which stands for it:
            `Runtime`, `Handler` and `Environment`.
    """
    _check_requests(refusal)
    _check_templates(refusal)
    docker = lambda_svc._execute_function_docker

    def execute(func: dict[str, Any], event: Any, request_id: str) -> Any:
        config = func.get("config") or func
        if config.get("PackageType") != _PACKAGE:
            return docker(func, event, request_id)
        return lambda_svc._execute_function_warm(
            {**func, "config": config | local(config), "code_zip": _EMPTY_ARCHIVE},
            event,
            request_id,
        )

    lambda_svc._execute_function_docker = execute


def keep_workers_that_raise() -> None:
    """Let a worker whose handler raised serve the next event, and say what was raised, as AWS does.

    ministack ends it, and a function that takes seconds to start would take them for each failure.

    Raises:
        IncompatibleEmulatorError: If ministack's worker does not answer as it did.
    """
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    if script.count(_RAISED) != 1 or script.count(_MEMORY) != 1:
        raise IncompatibleEmulatorError("ministack's Python worker must answer exceptions as known")
    # The context's memory_limit_in_mb is a text, as the environment variable that it is read from.
    script = script.replace(_MEMORY, f"str({_MEMORY})")
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(_RAISED, _RAISED_AND_ALIVE)
    inner = lambda_svc._execute_function_warm

    def execute(func: dict[str, Any], event: Any, request_id: str) -> Any:
        result = inner(func, event, request_id)
        body = result.get("body")
        if not isinstance(body, dict) or body.keys() != {_MARK}:
            return result
        error = body[_MARK]
        log = "\n".join(filter(None, [result.get("log"), *error["stackTrace"]]))
        return {"body": error, "error": True, "log": log}

    lambda_svc._execute_function_warm = execute


def _check_requests(refusal: Refusal) -> None:
    """Put the check before CreateFunction and both updates, and mend what they answer."""
    build, create = lambda_svc._build_config, lambda_svc._create_function
    update_code, update_config = lambda_svc._update_code, lambda_svc._update_config

    def build_config(name: str, data: dict[str, Any], code_zip: bytes | None = None) -> Any:
        config = build(name, data, code_zip)
        return _as_answered(config, data.get("Code", {}).get("ImageUri"))

    def create_function(data: dict[str, Any]) -> Any:
        image = data.get("Code", {}).get("ImageUri")
        reason = refusal(image, data.get("ImageConfig", {})) if image is not None else None
        return create(data) if reason is None else _refused(reason)

    def update_function_code(name: str, data: dict[str, Any]) -> Any:
        image, known = data.get("ImageUri"), lambda_svc._functions.get(name)
        reason = refusal(image, None) if image is not None else None
        if reason is not None:
            return _refused(reason)
        if image is None or known is None:
            return update_code(name, data)
        before = known["config"].get("CodeSha256")
        known["config"]["CodeSha256"] = _digest(image)
        answer = update_code(name, data)
        if answer[0] >= 400:  # noqa: PLR2004 - HTTP's errors
            known["config"]["CodeSha256"] = before
        return answer

    def update_function_configuration(name: str, data: dict[str, Any]) -> Any:
        reason = refusal(None, data["ImageConfig"]) if "ImageConfig" in data else None
        if reason is not None:
            return _refused(reason)
        known = lambda_svc._functions.get(name)
        if known is not None and known["config"].get("PackageType") == _PACKAGE:
            data = {k: v for k, v in data.items() if v or k not in ("Runtime", "Handler")}
        answer = update_config(name, data)
        if "ImageConfig" in data:
            account, region = responses.get_account_id(), responses.get_region()
            lambda_svc.invalidate_worker(name, "$LATEST", account, region)
        return answer

    lambda_svc._build_config = build_config
    lambda_svc._create_function = create_function
    lambda_svc._update_code = update_function_code
    lambda_svc._update_config = update_function_configuration


def _check_templates(refusal: Refusal) -> None:
    """Put the check before CloudFormation's creation, which does without CreateFunction."""
    handler = provisioners._RESOURCE_HANDLERS[_FUNCTION]
    create = handler["create"]

    def create_function(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        image = props.get("Code", {}).get("ImageUri")
        reason = refusal(image, props.get("ImageConfig", {})) if image is not None else None
        if reason is not None:
            raise ValueError(reason)
        created = create(logical_id, props, stack_name)
        config = _as_answered(lambda_svc._functions[created[0]]["config"], image)
        # ministack's templates lose it.
        config["DeadLetterConfig"] = props.get("DeadLetterConfig") or {}
        return created

    handler["create"] = create_function


def _as_answered(config: Configuration, image: str | None) -> Configuration:
    """A function's configuration as AWS answers it: an image has no runtime, but a digest."""
    if image is not None:
        for member in ("Runtime", "Handler"):
            if not config.get(member):
                config.pop(member, None)
        config["CodeSha256"] = _digest(image)
    return config


def _digest(image: str) -> str:
    return base64.b64encode(hashlib.sha256(image.encode()).digest()).decode()


def _refused(reason: str) -> Any:
    return responses.error_response_json("InvalidParameterValueException", reason, 400)


_MARK = "fraudloop.raised"
_MEMORY = 'init.get("memory", 128)'
_RAISED = '{"status": "error", "error": str(e), "trace": traceback.format_exc()}'
_RAISED_AND_ALIVE = (
    '{"status": "ok", "result": {"' + _MARK + '": {"errorMessage": str(e), "errorType":'
    ' type(e).__name__, "stackTrace": traceback.format_exc().splitlines()}}}'
)
# An archive without a file.
_EMPTY_ARCHIVE = b"PK\x05\x06" + bytes(18)
