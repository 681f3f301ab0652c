"""The repositories of the images that tests name, and what a role needs to pull from them."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

PULL: list[dict[str, Any]] = [
    {
        "Effect": "Allow",
        "Action": [
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
        ],
        "Resource": "arn:aws:ecr:us-east-1:000000000000:repository/fraudloop*",
    },
    {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
]


def make_repositories(client: Callable[[str], Any]) -> None:
    """Make them, unless they are there."""
    ecr = client("ecr")
    for name in ("fraudloop", "fraudloop-local"):
        with suppress(ClientError):
            ecr.create_repository(repositoryName=name)
