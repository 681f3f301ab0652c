"""A bare stack with what the training and monitoring constructs are given."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Template

from lifecycle.features.feature_store import FeatureStore, FeatureStoreConfig
from lifecycle.image.container_image import ContainerImage
from lifecycle.image.image_build import Variant
from lifecycle.registry.model_registry import ModelRegistry


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """A stack with a key, buckets, feature groups, an image and a registry."""

    stack: cdk.Stack
    key: kms.Key
    raw: s3.Bucket
    features: s3.Bucket
    artifacts: s3.Bucket
    captures: s3.Bucket
    feature_store: FeatureStore
    image: ContainerImage
    registry: ModelRegistry

    @property
    def key_arn(self) -> Any:
        return self.stack.resolve(self.key.key_arn)

    @cached_property
    def _template(self) -> Template:
        return Template.from_stack(self.stack)

    def template(self) -> Template:
        """The template, once all is defined; asked for the first time, it is synthesized."""
        return self._template

    def statements(self, role: Any) -> list[dict[str, Any]]:
        """What a role may do, statement by statement, with references resolved."""
        name = self.stack.resolve(role.role_name)["Ref"]
        return [
            statement
            for policy in self.template().find_resources("AWS::IAM::Policy").values()
            if {"Ref": name} in policy["Properties"]["Roles"]
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        ]

    def allowed(self, role: Any, action: str) -> list[Any]:
        """The resources on which a role may do one thing."""
        return [
            resource
            for statement in self.statements(role)
            if action in _listed(statement["Action"])
            for resource in _listed(statement["Resource"])
        ]

    def objects(self, bucket: s3.IBucket, *prefixes: str) -> list[Any]:
        """The objects below the prefixes, as a policy names them."""
        return [self.stack.resolve(bucket.arn_for_objects(f"{prefix}*")) for prefix in prefixes]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.fixture(scope="session")
def new_surroundings(new_stack: Callable[[], cdk.Stack]) -> Callable[..., Surroundings]:
    def define(*, variants: Collection[Variant] = ()) -> Surroundings:
        stack = new_stack()
        key = kms.Key(stack, "Key")
        features = s3.Bucket(stack, "Features")
        return Surroundings(
            stack=stack,
            key=key,
            raw=s3.Bucket(stack, "Raw"),
            features=features,
            artifacts=s3.Bucket(stack, "Artifacts"),
            captures=s3.Bucket(stack, "Captures"),
            feature_store=FeatureStore(
                stack,
                "Store",
                bucket=features,
                encryption_key=key,
                group_name=lambda entity, version: f"test-{entity}-{version}",
                role_name="test-feature-store",
                config=FeatureStoreConfig(),
            ),
            image=ContainerImage(
                stack,
                "Image",
                encryption_key=key,
                removal_policy=cdk.RemovalPolicy.RETAIN,
                variants=variants,
            ),
            registry=ModelRegistry(
                stack,
                "Registry",
                group_name="test-fraud",
                description="A model",
                removal_policy=cdk.RemovalPolicy.RETAIN,
            ),
        )

    return define
