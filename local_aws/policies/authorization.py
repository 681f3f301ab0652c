"""The condition keys of requests that ministack does not tell IAM of.

Policies of least privilege name these: the namespace that metrics go to, the sources that events
are put from, the boundary of a new role, the status that a model package is given.
"""

import json
from collections.abc import Mapping
from typing import Any

from local_aws import adapter
from local_aws.sagemaker import condition_keys


def install() -> None:
    """Register the condition keys."""
    adapter.register_condition_keys("s3", _transport)
    adapter.register_condition_keys("monitoring", _metric_namespace)
    adapter.register_condition_keys("events", _event_sources)
    adapter.register_condition_keys("sagemaker", _of_sagemaker)


def log_arn(region: str, account: str, group: str, stream: str = "") -> str:
    """What CloudWatch Logs asks IAM about: a log stream, also where none is named.

    Denials name it so: "logs:PutRetentionPolicy on resource: arn:aws:logs:...:log-group:<name>:
    log-stream:" (terraform-aws-eks-blueprints #1454), for CreateLogGroup and DescribeLogStreams
    as well (sagemaker-python-sdk #2253). The bare ARN of a group in a policy allows nothing.
    """
    return f"arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:{stream}"


def _metric_namespace(action: str, body: bytes, params: Mapping[str, Any]) -> dict[str, Any]:
    if action != "cloudwatch:PutMetricData":
        return {}
    namespace = _document(body).get("Namespace", params.get("Namespace"))
    return {} if namespace is None else {"cloudwatch:namespace": _only(namespace)}


def _transport(_action: str, _body: bytes, _params: Mapping[str, Any]) -> dict[str, Any]:
    """Of every request that comes over TLS (S3 User Guide, "Amazon S3 condition key examples")."""
    version = adapter.tls_version()
    return {} if version is None else {"s3:TlsVersion": version}


def _event_sources(action: str, body: bytes, _params: Mapping[str, Any]) -> dict[str, Any]:
    if action != "events:PutEvents":
        return {}
    entries = _document(body).get("Entries", [])
    return {
        "events:source": _only(sorted({entry.get("Source", "") for entry in entries})),
        "events:detail-type": _only(sorted({entry.get("DetailType", "") for entry in entries})),
    }


def _of_sagemaker(_action: str, body: bytes, _params: Mapping[str, Any]) -> dict[str, Any]:
    """Of the request, not of the resource: what a request does not give has no key."""
    return condition_keys.of(_document(body)) if body[:1] == b"{" else {}


def _document(body: bytes) -> dict[str, Any]:
    """A JSON body; what is none is for the service to refuse."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _only(value: Any) -> Any:
    """A single value for itself: a list is many values, which only `ForAllValues` compares."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value
