"""The project's image: the only one that can run here, as processes of this machine."""

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
    """Whether an image is of one of the project's repositories in this account and region.

    The environments' stacks, and with them their repositories, have the product in their names.
    """
    repository = repository_of(image)
    if repository is None or _PROJECT not in repository:
        return False
    return bool(adapter.repository_exists(repository))


def repository_of(image: str) -> str | None:
    """The repository of an image of this account's registry in this region; None of others."""
    found = _IMAGE.fullmatch(image)
    here = (adapter.current_account(), adapter.current_region())
    if found is None or (found["account"], found["region"]) != here:
        return None
    return found["repository"]


def repository_arn(image: str) -> str:
    """The ARN of an image's repository, of whichever account; `*` if the URI is none of ECR."""
    found = _IMAGE.fullmatch(image)
    if found is None:
        return "*"
    return f"arn:aws:ecr:{found['region']}:{found['account']}:repository/{found['repository']}"


def is_python(entrypoint: Sequence[str]) -> bool:
    """Whether an entry point starts Python."""
    return bool(entrypoint) and _PYTHON.fullmatch(Path(entrypoint[0]).name) is not None
