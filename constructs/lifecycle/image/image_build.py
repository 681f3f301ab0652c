"""The CodeBuild project that builds a target of the image's Dockerfile and pushes it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from aws_cdk import Acknowledgment, Duration, RemovalPolicy, Stack, Validations
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from lifecycle.access.service_trust import for_no_other_account
from lifecycle.access.wildcards import acknowledge_resource

__all__ = ["PROJECT_TARGET", "VARIANTS", "Variant", "define_build_project"]

# Targets of pipeline_code/Dockerfile: the image, and the same with what few jobs need.
PROJECT_TARGET: Final = "project"
Variant = Literal["spark", "cuda"]
# Each with the construct that has it built.
VARIANTS: Final[Mapping[Variant, str]] = MappingProxyType(
    {"spark": "SparkBuild", "cuda": "CudaBuild"}
)
# Together less than the hour that CloudFormation waits for a custom resource at most, so that a
# build which hangs, or is never begun, is ended by CodeBuild, and told so.
BUILD_LIMIT: Final = Duration.minutes(45)
QUEUE_LIMIT: Final = Duration.minutes(10)
_PUSHING = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)


def define_build_project(
    scope: Construct,
    *,
    source: assets.Asset,
    repository: ecr.Repository,
    tag: str,
    encryption_key: kms.IKey,
) -> codebuild.Project:
    """The project; a build may name another target and tag than the image's own.

    Args:
        scope: What gets it, as `Project`, and its log.
        source: The Dockerfile and all that it copies.
        repository: Where it pushes to.
        tag: The image's tag.
        encryption_key: Key of the log and of what a build leaves.
    """
    log_group = logs.LogGroup(
        scope,
        "BuildLog",
        encryption_key=encryption_key,
        retention=logs.RetentionDays.THREE_MONTHS,
        removal_policy=RemovalPolicy.DESTROY,
    )
    project = codebuild.Project(
        scope,
        "Project",
        description="Builds the project's image and pushes it",
        source=codebuild.Source.s3(bucket=source.bucket, path=source.s3_object_key),
        build_spec=codebuild.BuildSpec.from_object(_build_specification()),
        environment=codebuild.BuildEnvironment(
            build_image=codebuild.LinuxBuildImage.STANDARD_7_0,
            compute_type=codebuild.ComputeType.MEDIUM,
            privileged=True,
        ),
        environment_variables={
            "REPOSITORY_URI": codebuild.BuildEnvironmentVariable(value=repository.repository_uri),
            "REGISTRY": codebuild.BuildEnvironmentVariable(value=_registry(scope)),
            "IMAGE_TAG": codebuild.BuildEnvironmentVariable(value=tag),
            "BUILD_TARGET": codebuild.BuildEnvironmentVariable(value=PROJECT_TARGET),
        },
        encryption_key=encryption_key,
        logging=codebuild.LoggingOptions(
            cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=log_group)
        ),
        role=_define_role(scope, source, repository, log_group).without_policy_updates(),
        grant_report_group_permissions=False,
        timeout=BUILD_LIMIT,
        queued_timeout=QUEUE_LIMIT,
    )
    Validations.of(project).acknowledge(
        Acknowledgment(
            id="AwsSolutions::AwsSolutions-CB3",
            reason="Docker builds images only in privileged mode; the project builds nothing but "
            "this repository's own Dockerfile",
        )
    )
    return project


def _define_role(
    scope: Construct, source: assets.Asset, repository: ecr.Repository, log_group: logs.LogGroup
) -> iam.Role:
    """What a build takes (CodeBuild User Guide, "Allow CodeBuild to interact with other AWS
    services" and "Docker in custom image sample"). The CDK would also grant reading the bucket of
    all assets, a log that there is not, and a key for what a build leaves, which is nothing."""
    role = iam.Role(
        scope,
        "BuildRole",
        description="Builds the project's image and pushes it",
        assumed_by=for_no_other_account(scope, "codebuild.amazonaws.com"),
    )
    log_group.grant_write(role)
    archive = source.bucket.arn_for_objects(source.s3_object_key)
    for actions, resource in (
        (("s3:GetObject", "s3:GetObjectVersion"), archive),
        (_PUSHING, repository.repository_arn),
        (("ecr:GetAuthorizationToken",), "*"),
    ):
        role.add_to_policy(iam.PolicyStatement(actions=list(actions), resources=[resource]))
    acknowledge_resource(role, "*", "ecr:GetAuthorizationToken takes no resource")
    return role


def _registry(scope: Construct) -> str:
    stack = Stack.of(scope)
    return f"{stack.account}.dkr.ecr.{stack.region}.{stack.url_suffix}"


def _build_specification() -> dict[str, object]:
    return {
        "version": "0.2",
        # An attestation makes an index of the image, which Lambda refuses ("media type for the
        # source image is not supported": aws/aws-lambda-roadmap #82, docker/buildx #1533).
        "env": {"variables": {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}},
        "phases": {
            "build": {
                "commands": [
                    "aws ecr get-login-password"
                    " | docker login --username AWS --password-stdin $REGISTRY",
                    "docker build --target $BUILD_TARGET --tag $REPOSITORY_URI:$IMAGE_TAG .",
                    "docker push $REPOSITORY_URI:$IMAGE_TAG",
                ]
            }
        },
    }
