"""The revision of the code that is synthesized, as far as it is known."""

from __future__ import annotations

import re
from typing import Final

from constructs import IConstruct

__all__ = ["UNKNOWN_REVISION", "code_revision"]

UNKNOWN_REVISION: Final = "unknown"
# What git makes of commits and of all but the strangest tags; nothing that a template reads.
REVISION: Final = re.compile(r"[0-9A-Za-z._/+@=#-]{1,100}")


def code_revision(scope: IConstruct) -> str:
    """The context's `revision`, which whoever deploys gives: synthesis itself asks no git.

    code_revision(app)  # v1.2-3-g2d2180f, of `cdk deploy --context revision=v1.2-3-g2d2180f`

    Returns:
        `unknown` if the context has none.

    Raises:
        ValueError: If it is no revision's name.
    """
    revision = scope.node.try_get_context("revision")
    if revision is None:
        return UNKNOWN_REVISION
    if not isinstance(revision, str) or REVISION.fullmatch(revision) is None:
        raise ValueError(
            "revision must be 1 to 100 letters, digits or any of ._/+@=#-, got "
            f"{revision!r}; use what git describe prints"
        )
    return revision
