"""What Lambda functions print: written as their execution role, or not at all."""

import logging
import time
from typing import Any

from ministack.core import responses
from ministack.services import cloudwatch_logs, lambda_svc

from local_aws.adapter.actors import Role

logger = logging.getLogger("fraudloop")


def write_logs_as_role() -> None:
    """Have a function without leave to log have no log, and run all the same.

    It takes logs:CreateLogStream and logs:PutLogEvents, and logs:CreateLogGroup where there is no
    group (Lambda Developer Guide, "Sending Lambda function logs to CloudWatch Logs").
    """
    inner = lambda_svc._emit_lambda_logs

    def emit(func: dict[str, Any], request_id: str, *rest: Any, **options: Any) -> None:
        config = func.get("config") or func
        if (refused := _refused(config, request_id)) is not None:
            logger.warning("%s; the function has no log", refused)
            return
        inner(func, request_id, *rest, **options)

    lambda_svc._emit_lambda_logs = emit


def _refused(config: dict[str, Any], request_id: str) -> str | None:
    name = config["FunctionName"]
    group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name}"
    day = time.strftime("%Y/%m/%d", time.gmtime())
    stream = f"{day}/[{config.get('Version', '$LATEST')}]{request_id.replace('-', '')}"
    place = f"arn:aws:logs:{responses.get_region()}:{responses.get_account_id()}:log-group:{group}"
    asked = [("CreateLogStream", stream), ("PutLogEvents", stream)]
    if group not in cloudwatch_logs._log_groups:
        asked.insert(0, ("CreateLogGroup", ""))
    role = Role(arn=config["Role"], session=name)
    denials = (role.denied(f"logs:{each}", f"{place}:log-stream:{of}") for each, of in asked)
    return next(filter(None, denials), None)
