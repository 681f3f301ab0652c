"""Parameter Store as IAM sees it: `GetParameters` is about the parameters that it names."""

import json
from collections.abc import Mapping

from local_aws import adapter


def install() -> None:
    """Tell IAM the parameter of a batched read, which ministack takes for `*`."""
    adapter.register_resource_arn("ssm", _batched_read)


def _batched_read(
    _method: str, _path: str, headers: Mapping[str, str], body: bytes, region: str, account: str
) -> str | None:
    if headers.get("x-amz-target") != "AmazonSSM.GetParameters":
        return None
    # One parameter stands for all: the emulator asks IAM about one resource a request.
    names = json.loads(body).get("Names", [])
    return f"arn:aws:ssm:{region}:{account}:parameter/{names[0].lstrip('/')}" if names else None
