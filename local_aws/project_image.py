"""The project's image: the only one that can run here, as processes of the working tree."""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from local_aws import adapter

# The ENTRYPOINT of pipeline_code/Dockerfile.
IMAGE_ENTRYPOINT = ("python", "-m", "pipeline_code")
# What its ENV and its base image's set, as far as it matters to a process of the working tree.
ENVIRONMENT = {
    "PATH": os.pathsep.join(
        [str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]
    ),
    "LANG": "C.UTF-8",
    "HOME": "/root",
    "PYTHONUNBUFFERED": "1",
    "PYTHONPATH": "/opt/program",
    "OMP_WAIT_POLICY": "PASSIVE",
}
ONLY_OURS = "it runs the project's own image only, from a repository of the embedded AWS's ECR"
ONLY_PYTHON = "it runs Python entry points, as the image has"
_PROJECT = "fraudloop"
_IMAGE = re.compile(
    r"(?P<account>[^./]+)\.dkr\.ecr\.(?P<region>[^./]+)\.[^/]+/(?P<repository>[^:@]+)(?:[:@].+)?"
)
_PYTHON = re.compile(r"python(3(\.\d+)?)?")


def is_ours(image: str) -> bool:
    """Whether an image's URI names the project's repository or another one that exists here."""
    found = _IMAGE.fullmatch(image)
    if found is None:
        return False
    return _PROJECT in found["repository"] or adapter.repository_exists(found["repository"])


def repository_arn(image: str) -> str:
    """The ARN of an image's repository, of whichever account; `*` if the URI is none of ECR."""
    found = _IMAGE.fullmatch(image)
    if found is None:
        return "*"
    return f"arn:aws:ecr:{found['region']}:{found['account']}:repository/{found['repository']}"


def is_python(entrypoint: Sequence[str]) -> bool:
    """Whether an entry point starts Python."""
    return bool(entrypoint) and _PYTHON.fullmatch(Path(entrypoint[0]).name) is not None
