"""Bare stacks to build constructs on: cdk-nag watches in tests/nag, not here."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lifecycle  # noqa: F401  # first: it tells jsii which node to start when aws_cdk is imported

# isort: split
import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

SETTINGS = Path(__file__).parents[2] / "cdk.json"


@pytest.fixture(scope="session")
def flags() -> dict[str, Any]:
    """The feature flags under which the app is synthesized."""
    return dict(json.loads(SETTINGS.read_text())["context"])


@pytest.fixture(scope="session")
def new_stack(flags: dict[str, Any]) -> Callable[[], cdk.Stack]:
    """Makes a stack in an app of its own."""
    return lambda: cdk.Stack(cdk.App(context=flags), "Test")


@pytest.fixture
def stack(new_stack: Callable[[], cdk.Stack]) -> cdk.Stack:
    return new_stack()


@pytest.fixture
def key(stack: cdk.Stack) -> kms.IKey:
    return kms.Key(stack, "Key")


@pytest.fixture
def bucket(stack: cdk.Stack) -> s3.IBucket:
    return s3.Bucket(stack, "Bucket")
