from typing import Any

import lifecycle  # noqa: F401  # first: it tells jsii which node to start when aws_cdk is imported

# isort: split
import aws_cdk as cdk
import pytest

from lifecycle.image.code_revision import code_revision


def app(**context: Any) -> cdk.App:
    return cdk.App(context=context)


@pytest.mark.parametrize("revision", ["2d2180f", "v1.2-3-g2d2180f-dirty", "release/2026@1", "7"])
def test_the_context_gives_the_revision(revision: str) -> None:
    assert code_revision(app(revision=revision)) == revision


def test_without_one_it_is_unknown() -> None:
    assert code_revision(app()) == "unknown"


@pytest.mark.parametrize(
    "revision", ["", " ", "two words", "${AWS::AccountId}", 'a"b', "é", "a" * 101, 7, ["a"]]
)
def test_what_is_no_revision_is_refused(revision: Any) -> None:
    with pytest.raises(ValueError, match=r"^revision must be 1 to 100 letters, .*; use what git"):
        code_revision(app(revision=revision))
